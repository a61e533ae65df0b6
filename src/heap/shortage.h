/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a heap tries before an allocation fails.
 *
 * The caches of all threads are emptied, the unused pages of all arenas go back to the store, and
 * every arena is tried; where the store has no room, other heaps over the same store release what
 * they do not use. All of that costs as much as hundreds of allocations, and is worth repeating
 * only after a block was freed, or after other users of the store may have released space. So the
 * classes of sizes that were refused are recorded. A free forgets all of them; so do some
 * milliseconds where the heap's own limit leaves room.
 *
 * From the first failure until the next free, the heap's caches are off, so that the heap sees this
 * free. While there is room, threads only read that flag and write to no common line.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct block_request;
struct heap;

/* A bit for each class of sizes: four in each doubling of an address's 64 bits. */
#define SHORTAGE_REFUSED_WORDS 4

struct shortage {
    _Atomic uint64_t refused[SHORTAGE_REFUSED_WORDS]; /* classes of sizes */
    atomic_long refused_at;   /* when the first of them was recorded, in milliseconds */
    atomic_ulong frees;       /* while there was no room */
    atomic_ulong retries;     /* allocations for which all unused space was released */
    atomic_bool has_fallback; /* see shortage_set_fallback() */
    atomic_long searched_at;  /* with a fallback: time of the last search, in milliseconds */
    pthread_mutex_t lock;     /* held during a search: a second one would find nothing */
};

/* 0 or -errno. */
int shortage_init(struct shortage *shortage);
void shortage_destroy(struct shortage *shortage);

/* In the child of a fork. */
void shortage_adopt(struct shortage *shortage);

/* The same where the process that forked had one thread. */
void shortage_forget(struct shortage *shortage);

/* After a failed attempt: searches for room. A block of the heap, or NULL; errno is undefined. */
void *shortage_alloc(struct heap *heap, const struct block_request *request);

/*
 * Whether an attempt would be a waste of time: the heap could not hold the block if it were empty,
 * or nothing has changed since a request of this class was refused. errno is kept.
 */
bool shortage_is_hopeless(struct heap *heap, const struct block_request *request);

/* A block was freed, or shrunk: refused requests may succeed. */
void shortage_record_free(struct heap *heap);

/*
 * With a fallback, the program has other memory for refused requests: then a request is refused
 * without a search if the last search was a moment ago, though threads keep blocks.
 */
void shortage_set_fallback(struct shortage *shortage, bool has_fallback);
