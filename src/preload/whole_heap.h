/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds and libc's heap as one, as other allocators' interfaces see the heap: what it
 * holds, and that it gives back what no block uses. All functions are thread-safe and may be
 * called before there is a kind.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct whole_heap {
    size_t allocated, active, resident;
    size_t mapped; /* file space, and what libc has from the system */
};

/* Brings the numbers up to date. */
void whole_heap_refresh(void);

/* As of the last refresh. */
struct whole_heap whole_heap_numbers(void);

/* How many refreshes there were. */
uint64_t whole_heap_epoch(void);

void whole_heap_purge(void);

/* In the child of a fork: its parent's other threads are in none of these. */
void whole_heap_begin_child(void);
