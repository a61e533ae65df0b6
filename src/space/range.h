/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is all there from the beginning, since the program brings it along or it is a range
 * of a device: pages that are handed out and taken back, lowest first.
 *
 * Only whole pages of what the program gives are used. The records are elsewhere, and nothing is
 * assumed of what stands in the memory. Pages of one range may be handed out to one arena only:
 * then runs that meet may always be seen as one, whoever cut them.
 *
 * The range is a space without regions: the space has its owner, its limit and what is held, and
 * its lock guards the pages. A device's has one segment, the program's none.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "space/space.h"

struct range {
    struct space space; /* first, so that a heap over it finds the range */
    char *base;         /* of the first whole page; NULL while there is no memory */
    size_t pages;
    size_t lowest;  /* no page below is free */
    uint64_t *used; /* pages that are handed out */
    size_t size;    /* of the memory as the program gave it, in bytes */
};

/* Makes *range a range without memory; owner as for space_init(). 0 or -errno. */
int range_init(struct range *range, unsigned owner);

/*
 * Gives the range, which has none yet, the whole pages of [addr, addr + size), and enters them into
 * the range map. The memory stays the caller's. 0; -EINVAL for addresses that do not exist;
 * -ENOMEM, -ENFILE: there is no room for records. Where there is no whole page, the range stays
 * empty.
 */
int range_open(struct range *range, void *addr, size_t size);

/*
 * The same with size bytes at base, whole pages of a segment of the range's own, which is therefore
 * in the address map. 0 or -ENOMEM.
 */
int range_open_segment(struct range *range, char *base, size_t size);

/* Ends the range. The memory stays as it is. No other thread uses the range any more. */
void range_fini(struct range *range);

/* size bytes, not 0 and in whole pages, aligned to a power of two. NULL: there is no such run.
 * Thread-safe. */
void *range_alloc(struct range *range, size_t size, size_t alignment);

/* Takes back pages that were handed out, in pieces of any cut; nothing where the range is about to
 * end. Thread-safe. */
void range_free(struct range *range, void *addr, size_t size);
