/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of one heap on their way between threads. */
#include "heap/exchange.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "heap/size_class.h"
#include "heap/thread_cache.h"
#include "util/lock.h"

#define SHELF_BYTES  ((size_t)128 << 10) /* most of a class, in bytes and in blocks */
#define SHELF_BLOCKS ((size_t)512)

struct shelf {
    pthread_mutex_t lock;
    size_t count;
    bool used; /* since the last exchange_age() */
    void **blocks;
};

struct exchange {
    struct shelf shelves[SIZE_CLASS_LIMIT];
    void *slots[]; /* of all shelves */
};

static size_t shelf_capacity(unsigned size_class)
{
    size_t blocks = SHELF_BYTES / size_class_size(size_class);

    return blocks < SHELF_BLOCKS ? blocks : SHELF_BLOCKS;
}

struct exchange *exchange_new(void)
{
    size_t slots = 0;

    for (unsigned c = 1; c <= size_class_count; c++)
        slots += shelf_capacity(c);
    struct exchange *exchange = malloc(sizeof(*exchange) + slots * sizeof(void *));
    if (exchange == NULL)
        return NULL;
    void **slot = exchange->slots;
    for (unsigned c = 1; c <= size_class_count; c++) {
        /* Without attributes, this cannot fail on Linux. */
        (void)lock_init(&exchange->shelves[c].lock);
        exchange->shelves[c].count = 0;
        exchange->shelves[c].used = false;
        exchange->shelves[c].blocks = slot;
        slot += shelf_capacity(c);
    }
    return exchange;
}

void exchange_delete(struct exchange *exchange)
{
    for (unsigned c = 1; c <= size_class_count; c++)
        lock_destroy(&exchange->shelves[c].lock);
    free(exchange);
}

void exchange_after_fork(struct exchange *exchange)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        (void)lock_init(&exchange->shelves[c].lock);
        exchange->shelves[c].count = 0;
    }
}

size_t exchange_take(struct exchange *exchange, unsigned size_class, void **blocks, size_t wanted)
{
    struct shelf *shelf = &exchange->shelves[size_class];

    if (!lock_try_acquire(&shelf->lock, LOCK_EXCHANGE))
        return 0;
    size_t count = wanted < shelf->count ? wanted : shelf->count;
    shelf->count -= count;
    memcpy(blocks, shelf->blocks + shelf->count, count * sizeof(*blocks));
    shelf->used = true;
    lock_release(&shelf->lock);
    return count;
}

size_t exchange_give(struct exchange *exchange, unsigned size_class, void *const *blocks,
                     size_t count)
{
    struct shelf *shelf = &exchange->shelves[size_class];

    if (count == 0 || !lock_try_acquire(&shelf->lock, LOCK_EXCHANGE))
        return 0;
    size_t room = shelf_capacity(size_class) - shelf->count;
    if (count > room)
        count = room;
    memcpy(shelf->blocks + shelf->count, blocks, count * sizeof(*blocks));
    shelf->count += count;
    shelf->used = true;
    lock_release(&shelf->lock);
    return count;
}

static void empty_shelves(struct exchange *exchange, struct heap *heap, bool unused_only)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        struct shelf *shelf = &exchange->shelves[c];

        lock_acquire(&shelf->lock, LOCK_EXCHANGE);
        if (!unused_only || !shelf->used) {
            heap_drain(heap, shelf->blocks, shelf->count);
            shelf->count = 0;
        }
        shelf->used = false;
        lock_release(&shelf->lock);
    }
}

void exchange_empty(struct exchange *exchange, struct heap *heap)
{
    empty_shelves(exchange, heap, false);
}

void exchange_age(struct exchange *exchange, struct heap *heap)
{
    empty_shelves(exchange, heap, true);
}

size_t exchange_bytes(struct exchange *exchange)
{
    size_t bytes = 0;

    for (unsigned c = 1; c <= size_class_count; c++) {
        struct shelf *shelf = &exchange->shelves[c];

        lock_acquire(&shelf->lock, LOCK_EXCHANGE);
        bytes += shelf->count * size_class_size(c);
        lock_release(&shelf->lock);
    }
    return bytes;
}
