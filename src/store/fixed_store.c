/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is memory that the program passes. */
#include "store/fixed_store.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "space/page_map.h"
#include "space/range.h"
#include "space/range_map.h"

struct fixed_space {
    struct space space;
    struct range range;
    struct fixed_area given; /* bytes that make no whole page included */
    bool is_open;
};

static struct fixed_space *fixed_space_of(const struct space *space)
{
    return (struct fixed_space *)((char *)space - offsetof(struct fixed_space, space));
}

static void fixed_store_destroy(struct space *space)
{
    struct fixed_space *fixed = fixed_space_of(space);

    if (fixed->range.base != NULL)
        range_map_remove(fixed->range.base, space->owner);
    space_fini(space);
    free(fixed);
}

/* A range commits and releases no pages. */
static const struct store_ops fixed_store = {.destroy = fixed_store_destroy};

struct space *fixed_store_create(unsigned owner)
{
    struct fixed_space *fixed = calloc(1, sizeof(*fixed));

    if (fixed == NULL)
        return NULL;
    if (space_init(&fixed->space, &fixed_store, 0, owner) != 0) {
        free(fixed);
        return NULL;
    }
    range_init(&fixed->range, &fixed->space);
    return &fixed->space;
}

static int open_pages(struct fixed_space *fixed, uintptr_t base, size_t size)
{
    struct space *space = &fixed->space;
    _Atomic uint8_t *classes =
        (_Atomic uint8_t *)metadata_take(&space->metadata, page_map_bytes(size));

    if (classes == NULL)
        return -ENOMEM;
    int err = range_map_add((void *)base, size, space->owner, classes);
    if (err != 0)
        return err;
    err = range_open(&fixed->range, (char *)base, size);
    if (err != 0)
        range_map_remove((void *)base, space->owner);
    return err;
}

int fixed_store_open(struct space *space, void *addr, size_t size, struct fixed_area given)
{
    struct fixed_space *fixed = fixed_space_of(space);
    size_t page = space->page;
    uintptr_t first = (uintptr_t)addr;

    if (size > UINTPTR_MAX - first || first > UINTPTR_MAX - page)
        return -EINVAL;
    uintptr_t base = align_up(first, page);
    uintptr_t end = align_down(first + size, page);
    int err = base < end ? open_pages(fixed, base, end - base) : 0;
    if (err != 0)
        return err;
    fixed->given = given;
    fixed->is_open = true;
    return 0;
}

size_t fixed_store_size(const struct space *space)
{
    return fixed_space_of(space)->given.size;
}

bool fixed_store_meets(const struct space *space, struct fixed_area other)
{
    const struct fixed_space *fixed = fixed_space_of(space);

    if (!fixed->is_open || fixed->given.addr != other.addr)
        return false;
    return other.size == 0 || !range_is_used(&fixed->range, other.size);
}
