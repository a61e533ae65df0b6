/* SPDX-License-Identifier: BSD-2-Clause */
/* What a heap holds and no block uses, and how it goes back to the store. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct heap;

/* When a thread has given so many bytes to arenas, it looks whether a heap holds much unused. */
#define HEAP_CONSIDER_EVERY ((size_t)256 << 10)

/* `bytes` in all went to the heap's arenas: may start the idle thread. No lock of the library is
 * held. */
void heap_released(struct heap *heap, size_t bytes);

/* Gives back what no block uses, now. What another thread is giving back at this moment may take
 * longer. */
void heap_purge(struct heap *heap);

/* Whether what is unused can go back, some time or other. */
bool heap_can_release(const struct heap *heap);

/*
 * Bytes in pages that were handed out and that no block uses, at about this time. Of a heap that
 * can give back. Takes no lock.
 */
size_t heap_unused_bytes(const struct heap *heap);

/*
 * Tells caches and arenas that time has passed, so that they give back what has been unused for
 * long enough. Whether there may be more to give back later. For one thread, the idle thread.
 */
bool heap_maintain(struct heap *heap);

/* Whether the heap holds so much that no block uses that the idle thread is worth its price. */
bool heap_has_much_unused(const struct heap *heap);
