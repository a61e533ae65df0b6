/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_create_kind(): the kind of the library with the requested properties. */
#include "kinds/create_kind.h"

#include <stddef.h>

#include "kinds/kind_registry.h"
#include "util/log.h"

#define NO_FLAGS  ((memkind_bits_t)0)
#define EITHER    (MEMKIND_MEMTYPE_DEFAULT | MEMKIND_MEMTYPE_HIGH_BANDWIDTH)
#define PREFERRED MEMKIND_POLICY_PREFERRED_LOCAL

static const struct {
    unsigned types;
    memkind_policy_t policy;
    memkind_bits_t flags;
    unsigned partition;
} combinations[] = {
    {MEMKIND_MEMTYPE_DEFAULT, PREFERRED, NO_FLAGS, MEMKIND_PARTITION_DEFAULT},
    {MEMKIND_MEMTYPE_DEFAULT, PREFERRED, MEMKIND_MASK_PAGE_SIZE_2MB, MEMKIND_PARTITION_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, NO_FLAGS, MEMKIND_PARTITION_HBW},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, MEMKIND_MASK_PAGE_SIZE_2MB,
     MEMKIND_PARTITION_HBW_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_ALL, NO_FLAGS, MEMKIND_PARTITION_HBW_ALL},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_ALL, MEMKIND_MASK_PAGE_SIZE_2MB,
     MEMKIND_PARTITION_HBW_ALL_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, PREFERRED, NO_FLAGS, MEMKIND_PARTITION_HBW_PREFERRED},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, PREFERRED, MEMKIND_MASK_PAGE_SIZE_2MB,
     MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_INTERLEAVE_ALL, NO_FLAGS,
     MEMKIND_PARTITION_HBW_INTERLEAVE},
    {EITHER, MEMKIND_POLICY_INTERLEAVE_ALL, NO_FLAGS, MEMKIND_PARTITION_INTERLEAVE},
};

static int partition_of(unsigned types, memkind_policy_t policy, memkind_bits_t flags,
                        unsigned *partition)
{
    for (size_t i = 0; i < sizeof(combinations) / sizeof(combinations[0]); i++)
        if (combinations[i].types == types && combinations[i].policy == policy &&
            combinations[i].flags == flags) {
            *partition = combinations[i].partition;
            return MEMKIND_SUCCESS;
        }
    return MEMKIND_ERROR_INVALID;
}

int create_kind(memkind_memtype_t memtype_flags, memkind_policy_t policy, memkind_bits_t flags,
                memkind_t *kind)
{
    unsigned partition = 0;
    int status = partition_of((unsigned)memtype_flags, policy, flags, &partition);

    if (status != MEMKIND_SUCCESS) {
        log_error("no kind has the memory types %#x, the policy %d and the flags %#x",
                  (unsigned)memtype_flags, (int)policy, (unsigned)flags);
        return status;
    }
    struct memkind *found = kind_registry_get(partition);
    if (found->ops->check_available != NULL &&
        found->ops->check_available(found) != MEMKIND_SUCCESS) {
        if (policy != PREFERRED)
            return MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
        found = kind_registry_get(MEMKIND_PARTITION_DEFAULT);
    }
    *kind = found;
    return MEMKIND_SUCCESS;
}
