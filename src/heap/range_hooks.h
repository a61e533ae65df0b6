/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the one arena over a range calls for memory: exactly the pages that it needs, which go back
 * to the range when it has no more use for them.
 *
 * Growing ahead of need is refused, since nothing is gained: the range has its addresses. Unlike
 * regions of a space, parts of what was handed out may go back, since no other arena can get them.
 */
#pragma once

#include <jemalloc/jemalloc.h>

struct range;

/* The hooks of one heap: jemalloc hands them back to each call, which finds the range from them. */
struct range_hooks {
    extent_hooks_t table;
    struct range *range;
};

void range_hooks_init(struct range_hooks *hooks, struct range *range);
