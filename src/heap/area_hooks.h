/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the one arena over an area calls for memory: exactly the pages that it needs, which go back
 * to the area when it has no more use for them.
 *
 * Growing ahead of need is refused, since nothing is gained: the area has its addresses. Unlike
 * regions of a space, parts of what was handed out may go back, since no other arena can get them.
 */
#pragma once

#include <jemalloc/jemalloc.h>

struct area;

/* The hooks of one heap: jemalloc hands them back to each call, which finds the area from them. */
struct area_hooks {
    extent_hooks_t table;
    struct area *area;
};

void area_hooks_init(struct area_hooks *hooks, struct area *area);
