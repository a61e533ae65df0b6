/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds and libc's heap as one heap, for other allocators' interfaces: its figures, and the
 * release of unused memory. All functions are thread-safe and may be called before there is a kind.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct whole_heap {
    size_t allocated, active, resident;
    size_t mapped; /* file space, and what libc has from the system */
};

/* Updates the numbers. */
void whole_heap_refresh(void);

/* Returns the numbers of the last refresh. */
struct whole_heap whole_heap_numbers(void);

/* Returns the number of refreshes. */
uint64_t whole_heap_epoch(void);

/* Releases the unused memory of the kinds and of libc's heap. */
void whole_heap_purge(void);

/* In the child of a fork: none of its parent's other threads is in these functions. */
void whole_heap_begin_child(void);
