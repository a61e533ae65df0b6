/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap's counters. Thread-safe. */
#pragma once

#include <stdint.h>

#include "heap/jemalloc_ctl.h"

struct heap;

/* Records the bytes in the threads' caches, for heap_stats(). */
void heap_stats_update(struct heap *heap);

/* The heap's counters as of the last jemalloc_ctl_update_stats(). 0 or -errno. */
int heap_stats_get(const struct heap *heap, struct jemalloc_stats *stats);

/* The sum over the heap's arenas of the number stats.arenas.<i>.NAME of jemalloc(3). */
uint64_t heap_stats_sum(const struct heap *heap, const char *name);
