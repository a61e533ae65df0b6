/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space that is one run of pages, all there from the beginning: memory of the program, or a part
 * of a device. Pages are handed out and taken back, lowest first.
 *
 * The pages go to one arena, so that jemalloc may merge any neighbours. The records lie outside the
 * memory, whose contents do not matter. The lock of the space guards the pages, and the space's
 * bytes held are those of pages handed out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "space/space.h"

struct range {
    struct space *space;
    char *base;     /* of the first page; NULL while there is no memory */
    size_t pages;   /* of the space's size */
    size_t lowest;  /* all pages below are handed out */
    uint64_t *used; /* pages that are handed out */
};

/* Makes *range a range without memory, and the space, which has no regions, that range. */
void range_init(struct range *range, struct space *space);

/*
 * Gives the range, which has none yet, whole pages: size bytes at base, which becomes the limit of
 * the space. The memory stays the caller's. 0 or -ENOMEM.
 */
int range_open(struct range *range, char *base, size_t size);

/*
 * Returns size bytes of unused pages, aligned to a power of two. size: whole pages, not 0. NULL:
 * there is no such run. Thread-safe.
 */
void *range_alloc(struct range *range, size_t size, size_t alignment);

/*
 * Whether the pages of the first `size` bytes are all handed out. Does not wait, since after a fork
 * the lock may stay held: true also while another thread has the lock. Thread-safe.
 */
bool range_is_used(const struct range *range, size_t size);

/*
 * Frees pages that range_alloc() returned, in pieces of any size. Has no effect while the space is
 * being destroyed. Thread-safe.
 */
void range_free(struct range *range, void *addr, size_t size);
