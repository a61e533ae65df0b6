/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All heaps of the process, for whoever looks after more than one of them.
 *
 * A visitor holds no lock while a heap is visited, so a visit may take its time. The heap cannot
 * end meanwhile: heap_list_remove() waits until its visitors have left.
 */
#pragma once

#include <stdbool.h>

struct heap;

/* A heap's place in the list; guarded by the list's lock. */
struct heap_list_entry {
    struct heap *next;
    struct heap **link;
    unsigned visitors;
    bool leaving; /* gets no more visitors */
};

/* Thread-safe, as is all below. */
void heap_list_add(struct heap *heap);

/* Takes the heap off the list, and waits until nobody visits it. No lock is held that a visitor may
 * want. */
void heap_list_remove(struct heap *heap);

/* Calls `visit` for each heap but those that are leaving, until it returns true. Returns that. */
bool heap_list_visit(bool (*visit)(struct heap *heap, void *argument), void *argument);

/* Around fork(2), in this thread. In the child, nobody visits a heap. */
void heap_list_before_fork(void);
void heap_list_after_fork(bool child);
