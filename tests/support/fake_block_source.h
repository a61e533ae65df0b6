/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A source of blocks for thread caches. The source records of each block whether the block is out,
 * that is, in a cache, in the transfer cache, or held by the test. Blocks of all classes have the
 * same small memory. Include once. Thread-safe.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/block_source.h"
#include "heap/size_class.h"
#include "support/check.h"

#define BLOCKS     ((size_t)32768)
#define BLOCK_SIZE ((size_t)64)

struct heap {
    struct block_source source;
    size_t room;      /* blocks that may still go out */
    size_t out;       /* bytes of blocks that are out */
    size_t wanted;    /* by the last refill */
    size_t more;      /* blocks that a refill has beside those */
    unsigned refills; /* calls */
    unsigned flushes; /* calls with blocks */
    atomic_uint aged;
};

/* The state of a block. All but `held` is guarded by pool_lock while the block is not out. */
struct block_info {
    struct heap *out_of; /* NULL: not out */
    unsigned size_class;
    unsigned char tag; /* what the holder wrote into it */
    atomic_bool held;  /* by the test */
};

static unsigned char pool[BLOCKS][BLOCK_SIZE];
static struct block_info infos[BLOCKS];
static size_t unused[BLOCKS]; /* a stack */
static size_t unused_count;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static atomic_size_t held_bytes;    /* of blocks that the test holds */
static atomic_size_t releases;      /* bytes reported to the source while no lock was held */
static void (*during_refill)(void); /* called once, with the blocks on their way */

static inline struct block_info *info_of(const void *block)
{
    return &infos[((const unsigned char *)block - pool[0]) / (ptrdiff_t)BLOCK_SIZE];
}

static inline bool is_out(const void *block)
{
    pthread_mutex_lock(&pool_lock);
    bool out = info_of(block)->out_of != NULL;
    pthread_mutex_unlock(&pool_lock);
    return out;
}

static inline void *refill_one_locked(struct heap *from, unsigned size_class)
{
    if (from->room == 0 || unused_count == 0)
        return NULL;
    size_t index = unused[--unused_count];
    CHECK(infos[index].out_of == NULL);
    infos[index].out_of = from;
    infos[index].size_class = size_class;
    from->room--;
    from->out += size_class_size(size_class);
    return pool[index];
}

/* The source is the first member of its heap. */
static inline size_t refill_easily(struct block_source *source, unsigned size_class, void **blocks,
                                   size_t wanted)
{
    struct heap *from = (struct heap *)source;
    size_t count;
    void (*action)(void) = during_refill;

    pthread_mutex_lock(&pool_lock);
    from->wanted = wanted;
    from->refills++;
    for (count = 0; count < wanted; count++) {
        blocks[count] = refill_one_locked(from, size_class);
        if (blocks[count] == NULL) {
            /* The rest of the array is undefined. */
            blocks[count] = &pool_lock;
            break;
        }
    }
    pthread_mutex_unlock(&pool_lock);
    if (action != NULL) {
        during_refill = NULL;
        action();
    }
    return count;
}

static inline size_t refill(struct block_source *source, unsigned size_class, void **blocks,
                            size_t wanted, size_t room)
{
    size_t more = ((struct heap *)source)->more;

    return refill_easily(source, size_class, blocks, wanted + more < room ? wanted + more : room);
}

static inline void flush_one_locked(struct heap *to, void *block)
{
    struct block_info *info = info_of(block);

    CHECK(info->out_of == to);
    CHECK(!atomic_load(&info->held));
    to->room++;
    to->out -= size_class_size(info->size_class);
    info->out_of = NULL;
    unused[unused_count++] = (size_t)(info - infos);
}

static inline void flush(struct block_source *source, void *const *blocks, size_t count)
{
    struct heap *to = (struct heap *)source;

    if (count == 0)
        return;
    pthread_mutex_lock(&pool_lock);
    to->flushes++;
    for (size_t i = 0; i < count; i++)
        flush_one_locked(to, blocks[i]);
    pthread_mutex_unlock(&pool_lock);
}

static inline void age(struct block_source *source)
{
    atomic_fetch_add(&((struct heap *)source)->aged, 1);
}

static inline void released(struct block_source *source, size_t bytes)
{
    (void)source;
    atomic_fetch_add(&releases, bytes);
}

static inline void reset_heap(struct heap *which)
{
    *which = (struct heap){
        .source = {.refill = refill,
                   .refill_easily = refill_easily,
                   .flush = flush,
                   .released = released,
                   .age = age},
        .room = SIZE_MAX / 2,
    };
}

/* Resets the pool: no block is out. */
static inline void reset_pool(void)
{
    unused_count = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        infos[i].out_of = NULL;
        atomic_store(&infos[i].held, false);
        unused[unused_count++] = i;
    }
    atomic_store(&held_bytes, 0);
}
