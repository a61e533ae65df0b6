/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of one heap on their way between threads. */
#include "heap/transfer_cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "heap/block_source.h"
#include "heap/size_class.h"
#include "util/lock.h"

#define STACK_BYTES  ((size_t)128 << 10) /* the most of a class, in bytes and in blocks */
#define STACK_BLOCKS ((size_t)512)

struct class_stack {
    pthread_mutex_t lock;
    size_t count;
    bool used; /* since the last transfer_cache_flush_unused() */
    void **blocks;
};

struct transfer_cache {
    struct class_stack class_stacks[SIZE_CLASS_LIMIT];
    void *slots[]; /* of all stacks of the classes */
};

static size_t stack_capacity(unsigned size_class)
{
    size_t blocks = STACK_BYTES / size_class_size(size_class);

    return blocks < STACK_BLOCKS ? blocks : STACK_BLOCKS;
}

struct transfer_cache *transfer_cache_create(void)
{
    size_t slots = 0;

    for (unsigned c = 1; c <= size_class_count; c++)
        slots += stack_capacity(c);
    struct transfer_cache *transfer_cache =
        malloc(sizeof(*transfer_cache) + slots * sizeof(void *));
    if (transfer_cache == NULL)
        return NULL;
    void **slot = transfer_cache->slots;
    for (unsigned c = 1; c <= size_class_count; c++) {
        /* Without attributes, this cannot fail on Linux. */
        (void)lock_init(&transfer_cache->class_stacks[c].lock);
        transfer_cache->class_stacks[c].count = 0;
        transfer_cache->class_stacks[c].used = false;
        transfer_cache->class_stacks[c].blocks = slot;
        slot += stack_capacity(c);
    }
    return transfer_cache;
}

void transfer_cache_destroy(struct transfer_cache *transfer_cache)
{
    for (unsigned c = 1; c <= size_class_count; c++)
        lock_destroy(&transfer_cache->class_stacks[c].lock);
    free(transfer_cache);
}

void transfer_cache_after_fork(struct transfer_cache *transfer_cache)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        (void)lock_init(&transfer_cache->class_stacks[c].lock);
        transfer_cache->class_stacks[c].count = 0;
    }
}

size_t transfer_cache_remove(struct transfer_cache *transfer_cache, unsigned size_class,
                             void **blocks, size_t wanted)
{
    struct class_stack *class_stack = &transfer_cache->class_stacks[size_class];

    if (!lock_try_acquire(&class_stack->lock, LOCK_TRANSFER_CACHE))
        return 0;
    size_t count = wanted < class_stack->count ? wanted : class_stack->count;
    class_stack->count -= count;
    memcpy(blocks, class_stack->blocks + class_stack->count, count * sizeof(*blocks));
    class_stack->used = true;
    lock_release(&class_stack->lock);
    return count;
}

size_t transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                             void *const *blocks, size_t count)
{
    struct class_stack *class_stack = &transfer_cache->class_stacks[size_class];

    if (count == 0 || !lock_try_acquire(&class_stack->lock, LOCK_TRANSFER_CACHE))
        return 0;
    size_t room = stack_capacity(size_class) - class_stack->count;
    if (count > room)
        count = room;
    memcpy(class_stack->blocks + class_stack->count, blocks, count * sizeof(*blocks));
    class_stack->count += count;
    class_stack->used = true;
    lock_release(&class_stack->lock);
    return count;
}

static void flush_stacks(struct transfer_cache *transfer_cache, struct block_source *source,
                         bool unused_only)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        struct class_stack *class_stack = &transfer_cache->class_stacks[c];

        lock_acquire(&class_stack->lock, LOCK_TRANSFER_CACHE);
        if (!unused_only || !class_stack->used) {
            source->flush(source, class_stack->blocks, class_stack->count);
            class_stack->count = 0;
        }
        class_stack->used = false;
        lock_release(&class_stack->lock);
    }
}

void transfer_cache_flush(struct transfer_cache *transfer_cache, struct block_source *source)
{
    flush_stacks(transfer_cache, source, false);
}

void transfer_cache_flush_unused(struct transfer_cache *transfer_cache, struct block_source *source)
{
    flush_stacks(transfer_cache, source, true);
}

size_t transfer_cache_bytes(struct transfer_cache *transfer_cache)
{
    size_t bytes = 0;

    for (unsigned c = 1; c <= size_class_count; c++) {
        struct class_stack *class_stack = &transfer_cache->class_stacks[c];

        lock_acquire(&class_stack->lock, LOCK_TRANSFER_CACHE);
        bytes += class_stack->count * size_class_size(c);
        lock_release(&class_stack->lock);
    }
    return bytes;
}
