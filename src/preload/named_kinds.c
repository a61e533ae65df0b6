/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of the library that a user can name. */
#include "preload/named_kinds.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Kinds of pages of 1 GiB. */
#include "memkind_deprecated.h"

#define PREFIX "MEMKIND_"

#define NAMED(kind)                   \
    {                                 \
        PREFIX #kind, &MEMKIND_##kind \
    }

static const struct {
    const char *name;
    memkind_t *kind;
} kinds[] = {
    NAMED(DEFAULT),
    NAMED(REGULAR),
    NAMED(HUGETLB),
    NAMED(INTERLEAVE),
    NAMED(GBTLB),
    NAMED(HBW),
    NAMED(HBW_ALL),
    NAMED(HBW_HUGETLB),
    NAMED(HBW_ALL_HUGETLB),
    NAMED(HBW_PREFERRED),
    NAMED(HBW_PREFERRED_HUGETLB),
    NAMED(HBW_INTERLEAVE),
    NAMED(HBW_GBTLB),
    NAMED(HBW_PREFERRED_GBTLB),
    NAMED(DAX_KMEM),
    NAMED(DAX_KMEM_ALL),
    NAMED(DAX_KMEM_PREFERRED),
    NAMED(DAX_KMEM_INTERLEAVE),
    NAMED(HIGHEST_CAPACITY),
    NAMED(HIGHEST_CAPACITY_PREFERRED),
    NAMED(HIGHEST_CAPACITY_LOCAL),
    NAMED(HIGHEST_CAPACITY_LOCAL_PREFERRED),
    NAMED(LOWEST_LATENCY_LOCAL),
    NAMED(LOWEST_LATENCY_LOCAL_PREFERRED),
    NAMED(HIGHEST_BANDWIDTH_LOCAL),
    NAMED(HIGHEST_BANDWIDTH_LOCAL_PREFERRED),
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

memkind_t named_kinds_find(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return *kinds[i].kind;
    return NULL;
}

static bool is_short_for(const char *short_name, const char *name)
{
    for (name += sizeof(PREFIX) - 1; *name != '\0'; name++, short_name++)
        if (*short_name != (*name == '_' ? '-' : tolower((unsigned char)*name)))
            return false;
    return *short_name == '\0';
}

memkind_t named_kinds_find_short(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (is_short_for(name, kinds[i].name))
            return *kinds[i].kind;
    return NULL;
}
