/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is all there from the beginning, since the program brings it along or it is a range
 * of a device: pages that are handed out and taken back, lowest first.
 *
 * Only whole pages of what the program gives are used. The records are elsewhere, and nothing is
 * assumed of what stands in the memory. Pages of one area may be handed out to one arena only: then
 * runs that meet may always be seen as one, whoever cut them.
 *
 * The area is a space without regions: the space has its owner, its limit and what is held, and its
 * lock guards the pages. A device's has one segment, the program's none.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "space/space.h"

struct area {
    struct space space; /* first, so that a heap over it finds the area */
    char *base;         /* of the first whole page; NULL while there is no memory */
    size_t pages;
    size_t lowest;  /* no page below is free */
    uint64_t *used; /* pages that are handed out */
    size_t size;    /* of the memory as the program gave it, in bytes */
};

/* Makes *area an area without memory; owner as for space_init(). 0 or -errno. */
int area_init(struct area *area, unsigned owner);

/*
 * Gives the area, which has none yet, the whole pages of [addr, addr + size), and enters them into
 * the area map. The memory stays the caller's. 0; -EINVAL for addresses that do not exist; -ENOMEM,
 * -ENFILE: there is no room for records. Where there is no whole page, the area stays empty.
 */
int area_open(struct area *area, void *addr, size_t size);

/*
 * The same with size bytes at base, whole pages of a segment of the area's own, which is therefore
 * in the address map. 0 or -ENOMEM.
 */
int area_open_segment(struct area *area, char *base, size_t size);

/* Ends the area. The memory stays as it is. No other thread uses the area any more. */
void area_destroy(struct area *area);

/* size bytes, not 0 and in whole pages, aligned to a power of two. NULL: there is no such run.
 * Thread-safe. */
void *area_take(struct area *area, size_t size, size_t alignment);

/* Takes back pages that were handed out, in pieces of any cut; nothing where the area is about to
 * end. Thread-safe. */
void area_give(struct area *area, void *addr, size_t size);
