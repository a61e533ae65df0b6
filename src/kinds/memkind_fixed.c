/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds over memory that the program provides: memkind_fixed(3). */
#include "memkind/internal/memkind_fixed.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "heap/jemalloc_ctl.h"
#include "kinds/arena_kind.h"
#include "kinds/kind_class.h"
#include "kinds/kind_ops.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_fixed_internal.h"
#include "space/range.h"
#include "store/fixed_store.h"
#include "util/align.h"
#include "util/log.h"

/* A block of jemalloc of this many of jemalloc's pages or more shares no page with other blocks. */
#define LARGE_BLOCK_PAGES 4

struct memkind_ops MEMKIND_FIXED_OPS =
    KIND_OPS(memkind_arena, .create = memkind_fixed_create, .destroy = memkind_fixed_destroy,
             .mmap = memkind_fixed_mmap, .get_arena = memkind_bijective_get_arena,
             .finalize = memkind_fixed_destroy,
             .update_memory_usage_policy = memkind_arena_update_memory_usage_policy);

/* -- Operations -------------------------------------------------------------------------------- */

static ssize_t capacity(struct memkind *kind)
{
    size_t size = fixed_store_size(kind->priv);

    return size <= SSIZE_MAX ? (ssize_t)size : SSIZE_MAX;
}

static const struct kind_class fixed_class = {.capacity = capacity};

int memkind_fixed_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    int status = arena_kind_create(kind, ops, name, &fixed_class, fixed_store_create);

    /* With one arena, every free page is available to all threads, as range_alloc() needs. */
    if (status == MEMKIND_SUCCESS)
        arena_kind_use_one(kind);
    return status;
}

int memkind_fixed_destroy(struct memkind *kind)
{
    return arena_kind_destroy(kind);
}

void *memkind_fixed_mmap(struct memkind *kind, void *addr, size_t size)
{
    struct space *space = kind->priv;
    size_t page = space->page;
    void *taken = NULL;

    (void)addr;
    if (size == 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (size <= SIZE_MAX - page)
        taken = range_alloc(space->range, align_up(size, page), page);
    if (taken == NULL) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return taken;
}

/* -- memkind_create_fixed() ---------------------------------------------------------------- */

/*
 * Leaves out pages of which jemalloc has records for a block of another kind, since a page has one
 * record. The program may have allocated the range from another kind. jemalloc records the first
 * and the last page of a block, and all pages of a block that is smaller than LARGE_BLOCK_PAGES.
 * jemalloc's pages may be larger than the kernel's.
 */
static void skip_recorded_pages(void **addr, size_t *size)
{
    size_t page = jemalloc_ctl_page();
    uintptr_t first = align_up((uintptr_t)*addr, page);
    uintptr_t end = align_down((uintptr_t)*addr + *size, page);

    if (first >= end)
        return;
    if (kind_registry_detect((void *)first) != NULL)
        first = *size < LARGE_BLOCK_PAGES * page ? end : first + page;
    if (first < end && kind_registry_detect((void *)(end - page)) != NULL)
        end -= page;
    *addr = (void *)first;
    *size = end - first;
}

struct area_search {
    struct fixed_area area;
    bool found;
};

static void check_kind(struct memkind *kind, struct heap *heap, void *arg)
{
    struct area_search *search = arg;

    (void)heap;
    if (kind_registry_class(kind) == &fixed_class && fixed_store_meets(kind->priv, search->area))
        search->found = true;
}

/*
 * Whether a kind has the area already. A block of another fixed kind may begin where that kind's
 * area begins, and a kind may be created over the block.
 */
static bool is_taken(struct fixed_area area)
{
    struct area_search search = {.area = area};

    kind_registry_each_heap(check_kind, &search);
    return search.found;
}

static int open_kind(struct memkind *kind, void *addr, size_t size)
{
    struct fixed_area given = {.addr = addr, .size = size};

    skip_recorded_pages(&addr, &size);
    switch (fixed_store_open(kind->priv, addr, size, given)) {
    case 0:
        return MEMKIND_SUCCESS;
    case -EINVAL:
        return MEMKIND_ERROR_INVALID;
    default:
        return MEMKIND_ERROR_MALLOC;
    }
}

int memkind_fixed_new(void *addr, size_t size, memkind_t *kind)
{
    if ((addr == NULL && size != 0) || size > UINTPTR_MAX - (uintptr_t)addr) {
        log_error("no kind has an area of %zu bytes at %p", size, addr);
        errno = EINVAL;
        return MEMKIND_ERROR_INVALID;
    }
    if (is_taken((struct fixed_area){.addr = addr, .size = size})) {
        log_error("another kind has the area at %p", addr);
        errno = EINVAL;
        return MEMKIND_ERROR_INVALID;
    }
    struct memkind *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return MEMKIND_ERROR_MALLOC;
    int status = memkind_fixed_create(made, &MEMKIND_FIXED_OPS, "memkind_fixed");
    if (status != MEMKIND_SUCCESS)
        goto free_kind;
    status = open_kind(made, addr, size);
    if (status != MEMKIND_SUCCESS)
        goto destroy;
    *kind = made;
    return status;

destroy:
    memkind_fixed_destroy(made);
    if (status == MEMKIND_ERROR_INVALID)
        errno = EINVAL;
free_kind:
    free(made);
    return status;
}
