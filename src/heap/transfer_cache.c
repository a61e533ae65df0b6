/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of one heap on their way between threads. */
#include "heap/transfer_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "heap/block_source.h"
#include "heap/size_class.h"
#include "util/lock.h"

#define FLUSH_BLOCKS  ((size_t)128)
#define LOCK_ATTEMPTS 64 /* the lock is held while addresses are copied */

struct class_stack {
    pthread_mutex_t lock;
    void **blocks; /* NULL until the first insertion */
    size_t count;
    size_t capacity;
    size_t least; /* of count, since the last transfer_cache_flush_unused() */
    bool used;    /* since then */
    bool missed;  /* a removal found too few blocks, since then or since the last growth */
};

struct transfer_cache {
    struct class_stack class_stacks[SIZE_CLASS_LIMIT];
};

static size_t first_capacity(unsigned size_class)
{
    size_t blocks = TRANSFER_CACHE_BYTES / size_class_size(size_class);

    return blocks < TRANSFER_CACHE_BLOCKS ? blocks : TRANSFER_CACHE_BLOCKS;
}

struct transfer_cache *transfer_cache_create(void)
{
    struct transfer_cache *transfer_cache = calloc(1, sizeof(*transfer_cache));

    if (transfer_cache == NULL)
        return NULL;
    for (unsigned c = 1; c <= size_class_count; c++)
        /* Without attributes, this cannot fail on Linux. */
        (void)lock_init(&transfer_cache->class_stacks[c].lock);
    return transfer_cache;
}

void transfer_cache_destroy(struct transfer_cache *transfer_cache)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        lock_destroy(&transfer_cache->class_stacks[c].lock);
        free(transfer_cache->class_stacks[c].blocks);
    }
    free(transfer_cache);
}

void transfer_cache_after_fork(struct transfer_cache *transfer_cache)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        (void)lock_init(&transfer_cache->class_stacks[c].lock);
        transfer_cache->class_stacks[c].count = 0;
    }
}

/* False where another thread keeps the lock. */
static bool acquire_soon(struct class_stack *stack)
{
    for (int i = 0; i < LOCK_ATTEMPTS; i++) {
        if (lock_try_acquire(&stack->lock, LOCK_TRANSFER_CACHE))
            return true;
#ifdef __x86_64__
        __builtin_ia32_pause();
#endif
    }
    return false;
}

static size_t take_newest_locked(struct class_stack *stack, void **blocks, size_t wanted)
{
    size_t count = wanted < stack->count ? wanted : stack->count;

    stack->count -= count;
    if (stack->count < stack->least)
        stack->least = stack->count;
    if (count != 0)
        memcpy(blocks, stack->blocks + stack->count, count * sizeof(*blocks));
    return count;
}

size_t transfer_cache_remove(struct transfer_cache *transfer_cache, unsigned size_class,
                             void **blocks, size_t wanted)
{
    struct class_stack *stack = &transfer_cache->class_stacks[size_class];

    if (!acquire_soon(stack))
        return 0;
    size_t count = take_newest_locked(stack, blocks, wanted);
    stack->used = true;
    stack->missed = stack->missed || count < wanted;
    lock_release(&stack->lock);
    return count;
}

static size_t insert_locked(struct class_stack *stack, void *const *blocks, size_t count)
{
    size_t room = stack->capacity - stack->count;

    stack->used = true;
    if (count > room)
        count = room;
    if (count != 0)
        memcpy(stack->blocks + stack->count, blocks, count * sizeof(*blocks));
    stack->count += count;
    return count;
}

/*
 * Returns the capacity that the stack should have after blocks found no room; 0: the present one. A
 * stack grows if threads soon need the blocks for which there was no room, and not if no thread
 * takes blocks from it.
 */
static size_t wanted_capacity_locked(const struct class_stack *stack, unsigned size_class)
{
    if (stack->capacity == 0)
        return first_capacity(size_class);
    if (!stack->missed || stack->capacity >= first_capacity(size_class) * TRANSFER_CACHE_GROWTH)
        return 0;
    return stack->capacity * 2;
}

/* In this order, so that the child of a fork by another thread finds room for the capacity. */
static void **replace_blocks_locked(struct class_stack *stack, void **blocks, size_t capacity)
{
    void **old = stack->blocks;

    if (stack->count != 0)
        memcpy(blocks, old, stack->count * sizeof(*blocks));
    __atomic_store_n(&stack->blocks, blocks, __ATOMIC_RELEASE);
    __atomic_store_n(&stack->capacity, capacity, __ATOMIC_RELEASE);
    stack->missed = false;
    return old;
}

/* Gives the stack room for `capacity` blocks; the lock is not held. errno is kept. */
static void grow(struct class_stack *stack, size_t capacity)
{
    int saved_errno = errno;
    void **unused = malloc(capacity * sizeof(*unused));

    /* clang takes it that malloc() does not write to errno, and would drop the assignment. */
    __asm__ volatile("" : : : "memory");
    errno = saved_errno;
    if (unused == NULL || !acquire_soon(stack)) {
        free(unused);
        return;
    }
    if (stack->capacity < capacity)
        unused = replace_blocks_locked(stack, unused, capacity);
    lock_release(&stack->lock);
    free(unused);
}

size_t transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                             void *const *blocks, size_t count)
{
    struct class_stack *stack = &transfer_cache->class_stacks[size_class];

    if (count == 0 || !acquire_soon(stack))
        return 0;
    size_t taken = insert_locked(stack, blocks, count);
    size_t capacity = taken < count ? wanted_capacity_locked(stack, size_class) : 0;
    lock_release(&stack->lock);
    if (capacity == 0)
        return taken;
    grow(stack, capacity);
    if (!acquire_soon(stack))
        return taken;
    taken += insert_locked(stack, blocks + taken, count - taken);
    lock_release(&stack->lock);
    return taken;
}

/* -- Flushing ---------------------------------------------------------------------------------- */

/* Flushes up to `count` blocks. The lock is not held while the source has them. */
static void flush(struct class_stack *stack, struct block_source *source, size_t count)
{
    void *blocks[FLUSH_BLOCKS];

    while (count != 0) {
        size_t some = count < FLUSH_BLOCKS ? count : FLUSH_BLOCKS;

        lock_acquire(&stack->lock, LOCK_TRANSFER_CACHE);
        size_t taken = take_newest_locked(stack, blocks, some);
        lock_release(&stack->lock);
        source->flush(source, blocks, taken);
        count = taken < some ? 0 : count - some;
    }
}

void transfer_cache_flush(struct transfer_cache *transfer_cache, struct block_source *source)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        struct class_stack *stack = &transfer_cache->class_stacks[c];

        lock_acquire(&stack->lock, LOCK_TRANSFER_CACHE);
        size_t count = stack->count;
        lock_release(&stack->lock);
        flush(stack, source, count);
    }
}

/*
 * Returns the number of blocks that no thread has needed since the last call: all, if the class was
 * not used; of a class that has grown, the least that the stack held.
 */
static size_t unused_locked(const struct class_stack *stack, unsigned size_class)
{
    if (!stack->used)
        return stack->count;
    return stack->capacity > first_capacity(size_class) ? stack->least : 0;
}

void transfer_cache_flush_unused(struct transfer_cache *transfer_cache, struct block_source *source)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        struct class_stack *stack = &transfer_cache->class_stacks[c];

        lock_acquire(&stack->lock, LOCK_TRANSFER_CACHE);
        size_t count = unused_locked(stack, c);
        stack->used = false;
        stack->missed = false;
        stack->least = stack->count - count;
        lock_release(&stack->lock);
        flush(stack, source, count);
    }
}

size_t transfer_cache_bytes(struct transfer_cache *transfer_cache)
{
    size_t bytes = 0;

    for (unsigned c = 1; c <= size_class_count; c++) {
        struct class_stack *stack = &transfer_cache->class_stacks[c];

        lock_acquire(&stack->lock, LOCK_TRANSFER_CACHE);
        bytes += stack->count * size_class_size(c);
        lock_release(&stack->lock);
    }
    return bytes;
}
