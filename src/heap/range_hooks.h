/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks of the one arena over a range: the arena gets exactly the pages that it needs, and
 * returns unused pages to the range.
 *
 * The hooks refuse to grow the arena ahead of need, which would gain nothing: the range has its
 * addresses. Unlike in regions of a space, a part of an allocated extent may be returned, since no
 * other arena can get that part.
 */
#pragma once

#include <jemalloc/jemalloc.h>

struct range;

/* The hooks of one heap. jemalloc passes the table to each hook, which finds the range by it. */
struct range_hooks {
    extent_hooks_t table;
    struct range *range;
};

/* The range outlives the arena. */
void range_hooks_init(struct range_hooks *hooks, struct range *range);
