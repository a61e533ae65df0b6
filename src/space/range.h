/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space that is one run of pages, all there from the beginning: memory of the program, or a part
 * of a device. Pages are handed out and taken back, lowest first.
 *
 * Pages of one range may be handed out to one arena only: then runs that meet may always be seen as
 * one, whoever cut them. The records are elsewhere, and no content of the memory is assumed. The
 * space's lock guards the pages, and its counter of bytes held counts those handed out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "space/space.h"

struct range {
    struct space *space;
    char *base;     /* of the first page; NULL while there is no memory */
    size_t pages;   /* of the space's size */
    size_t lowest;  /* no page below is free */
    uint64_t *used; /* pages that are handed out */
};

/* Makes *range a range without memory, and the space, which has no regions, that range. */
void range_init(struct range *range, struct space *space);

/*
 * Gives the range, which has none yet, whole pages: size bytes at base, which becomes the limit of
 * the space. The memory stays the caller's. 0 or -ENOMEM.
 */
int range_open(struct range *range, char *base, size_t size);

/* size bytes, not 0 and in whole pages, aligned to a power of two. NULL: there is no such run.
 * Thread-safe. */
void *range_alloc(struct range *range, size_t size, size_t alignment);

/* Takes back pages that were handed out, in pieces of any cut; nothing where the space is about to
 * be destroyed. Thread-safe. */
void range_free(struct range *range, void *addr, size_t size);
