/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of huge pages of 1 GiB, which memkind 1.14 calls deprecated. Their names must be there, or
 * a program that mentions one does not load; they answer as memkind does where there are no such
 * pages.
 */
#include "kinds/unavailable_kinds.h"

#include <errno.h>
#include <stddef.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

/* -- Operations -------------------------------------------------------------------------------- */

static int no_kind(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    (void)kind;
    (void)name;
    return ops != NULL && ops->check_available != NULL ? ops->check_available(kind)
                                                       : MEMKIND_ERROR_UNAVAILABLE;
}

static void *no_block(void)
{
    errno = ENOMEM;
    return NULL;
}

static void *no_malloc(struct memkind *kind, size_t size)
{
    return size != 0 || kind->allow_zero_allocs ? no_block() : NULL;
}

static void *no_calloc(struct memkind *kind, size_t num, size_t size)
{
    return num != 0 && size != 0 ? no_block() : no_malloc(kind, 0);
}

static int no_memalign(struct memkind *kind, void **memptr, size_t alignment, size_t size)
{
    int err = memkind_posix_check_alignment(kind, alignment);

    if (err != 0)
        return err;
    if (size != 0 || kind->allow_zero_allocs)
        return ENOMEM;
    *memptr = NULL;
    return 0;
}

/* A block can only be of another kind. */
static void *no_realloc(struct memkind *kind, void *ptr, size_t size)
{
    return ptr == NULL ? no_malloc(kind, size) : memkind_arena_realloc_with_kind_detect(ptr, size);
}

static int no_policy(struct memkind *kind, memkind_mem_usage_policy policy)
{
    (void)policy;
    return kind->ops->check_available(kind);
}

/* Huge pages of 1 GiB: memkind 1.14 has given them up as well. */
static int no_huge_pages(struct memkind *kind)
{
    (void)kind;
    return MEMKIND_ERROR_HUGETLB;
}

/* -- The table --------------------------------------------------------------------------------- */

/* X(name, the same in lower case) */
#define UNAVAILABLE_KINDS(X)                    \
    X(HBW_GBTLB, hbw_gbtlb)                     \
    X(HBW_PREFERRED_GBTLB, hbw_preferred_gbtlb) \
    X(GBTLB, gbtlb)

/* memkind(3) has the kinds; the headers of their operations come with those that are built. */
#define DECLARE_KIND(NAME, LOWER) extern struct memkind_ops MEMKIND_##NAME##_OPS;
#pragma GCC visibility push(default)
UNAVAILABLE_KINDS(DECLARE_KIND)
#pragma GCC visibility pop

/* Without get_arena, a kind never gets arenas. */
#define DEFINE_KIND(NAME, LOWER)                                  \
    struct memkind_ops MEMKIND_##NAME##_OPS = {                   \
        .create = no_kind,                                        \
        .destroy = memkind_default_destroy,                       \
        .malloc = no_malloc,                                      \
        .calloc = no_calloc,                                      \
        .posix_memalign = no_memalign,                            \
        .realloc = no_realloc,                                    \
        .free = memkind_arena_free,                               \
        .check_available = no_huge_pages,                         \
        .init_once = memkind_default_init_once,                   \
        .finalize = memkind_default_destroy,                      \
        .malloc_usable_size = memkind_default_malloc_usable_size, \
        .update_memory_usage_policy = no_policy,                  \
        .get_stat = memkind_arena_get_stat,                       \
        .defrag_reallocate = memkind_arena_defrag_reallocate,     \
    };                                                            \
    static struct memkind kind_##NAME = {                         \
        .ops = &MEMKIND_##NAME##_OPS,                             \
        .partition = MEMKIND_PARTITION_##NAME,                    \
        .name = "memkind_" #LOWER,                                \
        .init_once = PTHREAD_ONCE_INIT,                           \
    };                                                            \
    memkind_t MEMKIND_##NAME = &kind_##NAME;
UNAVAILABLE_KINDS(DEFINE_KIND)

struct memkind *unavailable_kind(unsigned partition)
{
    switch (partition) {
#define CASE_OF_KIND(NAME, LOWER)  \
    case MEMKIND_PARTITION_##NAME: \
        return &kind_##NAME;
        UNAVAILABLE_KINDS(CASE_OF_KIND)
    default:
        return NULL;
    }
}
