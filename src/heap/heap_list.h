/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All heaps of the process.
 *
 * A visit is made without a lock, and may take long. The heap is not destroyed meanwhile:
 * heap_list_remove() waits until all visitors have left the heap.
 */
#pragma once

#include <stdbool.h>

struct heap;

/* A heap's place in the list; guarded by the list's lock. */
struct heap_list_entry {
    struct heap *next;
    struct heap **link;
    unsigned visitors;
    bool leaving; /* is being removed; gets no more visitors */
};

/* Adds the heap. Thread-safe, as are all functions below. */
void heap_list_add(struct heap *heap);

/*
 * Removes the heap and waits until nobody visits it. The caller holds no lock that a visitor may
 * wait for.
 */
void heap_list_remove(struct heap *heap);

/*
 * Calls visit() for each heap, except heaps that are being removed, until visit() returns true.
 * Returns the result of the last call; false if there was none.
 */
bool heap_list_visit(bool (*visit)(struct heap *heap, void *argument), void *argument);

/* Around fork(2), in this thread. In the child, no heap has a visitor. */
void heap_list_before_fork(void);
void heap_list_after_fork(bool child);
