/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a heap holds and no block uses, and its release to the store. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct heap;

/* After so many flushed bytes, a thread checks whether the heap holds much unused memory. */
#define HEAP_CONSIDER_EVERY ((size_t)256 << 10)

/*
 * Call after `bytes` were flushed to the heap's arenas, while no lock of the library is held. May
 * start the idle thread.
 */
void heap_released(struct heap *heap, size_t bytes);

/* Releases unused memory now, except what another thread is releasing at this moment. */
void heap_purge(struct heap *heap);

/* Whether the heap can release unused memory at all. */
bool heap_can_release(const struct heap *heap);

/*
 * Bytes in committed pages that no block uses, of a heap that can release memory. Approximate while
 * other threads use the heap. Takes no lock.
 */
size_t heap_unused_bytes(const struct heap *heap);

/*
 * Has caches and arenas release what was unused for long enough. Returns whether there may be more
 * to release later. For the idle thread alone.
 */
bool heap_maintain(struct heap *heap);

/* Whether the heap holds so much unused memory that the idle thread is worth its price. */
bool heap_has_much_unused(const struct heap *heap);

/*
 * Thaws some chunks that a fork has frozen (space/thaw.h). Returns whether more can be thawed now.
 * For the idle thread alone.
 */
bool heap_thaw(struct heap *heap);

/* Whether the heap has frozen chunks that are to be thawed without request, now or later. */
bool heap_has_frozen(const struct heap *heap);
