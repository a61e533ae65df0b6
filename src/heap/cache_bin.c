/* SPDX-License-Identifier: BSD-2-Clause */
/* A bin of a thread's cache: a stack of blocks of one size class. */
#include "heap/cache_bin.h"

#include <stdbool.h>
#include <string.h>

#include "util/invariant.h"

#define FIRST_BLOCKS ((size_t)8)
#define FEW_BLOCKS   ((size_t)32) /* in the small place */

/* The places of a class among a cache's slots: the small place, and the place of a grown bin. */
static struct places {
    size_t few;
    size_t many;
    size_t first; /* blocks of a bin at first */
} places[SIZE_CLASS_LIMIT];

static size_t slots_of_all;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The most blocks of a bin. */
static size_t capacity_of(unsigned size_class)
{
    return smaller(CACHE_BIN_BYTES / size_class_size(size_class), CACHE_BIN_BLOCKS);
}

void cache_bin_lay_out(void)
{
    size_t used = 0;

    for (unsigned c = 1; c <= size_class_count; c++) {
        places[c].few = used;
        places[c].first = smaller(capacity_of(c), FIRST_BLOCKS);
        used += smaller(capacity_of(c), FEW_BLOCKS);
    }
    for (unsigned c = 1; c <= size_class_count; c++)
        if (capacity_of(c) > FEW_BLOCKS) {
            places[c].many = used;
            used += capacity_of(c);
        }
    slots_of_all = used;
}

size_t cache_bin_slots(void)
{
    return slots_of_all;
}

/* The invariant of a bin whose cache's owner is not on the fast path. */
static bool is_valid(const struct cache_bin *bin)
{
    size_t capacity = cache_bin_capacity(bin);

    return atomic_load_explicit(&bin->top, memory_order_relaxed) >= cache_bin_base(bin) &&
           cache_bin_count(bin) <= capacity && capacity != 0 && capacity <= CACHE_BIN_BLOCKS;
}

static bool is_open(const struct cache_bin *bin)
{
    return atomic_load_explicit(&bin->low, memory_order_relaxed) <
           atomic_load_explicit(&bin->high, memory_order_relaxed);
}

static void set_limits(struct cache_bin *bin, void **low, void **high)
{
    atomic_store_explicit(&bin->low, low, memory_order_relaxed);
    atomic_store_explicit(&bin->high, high, memory_order_relaxed);
}

static void exchange_limits(struct cache_bin *bin)
{
    set_limits(bin, atomic_load_explicit(&bin->high, memory_order_relaxed),
               atomic_load_explicit(&bin->low, memory_order_relaxed));
}

void cache_bin_close(struct cache_bin *bin)
{
    INVARIANT(is_open(bin));
    exchange_limits(bin);
}

void cache_bin_open(struct cache_bin *bin)
{
    INVARIANT(is_valid(bin) && !is_open(bin));
    exchange_limits(bin);
}

void cache_bin_reset(struct cache_bin *bin, unsigned size_class, void **slots)
{
    void **base = slots + places[size_class].few;

    set_limits(bin, base + places[size_class].first, base);
    atomic_store_explicit(&bin->top, base, memory_order_relaxed);
    INVARIANT(is_valid(bin));
}

void cache_bin_grow(struct cache_bin *bin, unsigned size_class, void **slots)
{
    size_t size = smaller(2 * cache_bin_capacity(bin), capacity_of(size_class));
    size_t count = cache_bin_count(bin);
    void **base = cache_bin_base(bin);

    INVARIANT(is_valid(bin) && is_open(bin));
    void **to = size > FEW_BLOCKS ? slots + places[size_class].many : base;

    memmove(to, base, count * sizeof(*to));
    set_limits(bin, to, to + size);
    atomic_store_explicit(&bin->top, to + count, memory_order_relaxed);
    INVARIANT(is_valid(bin));
}

void cache_bin_push(struct cache_bin *bin, void *const *blocks, size_t count)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);

    memcpy(top, blocks, count * sizeof(*blocks));
    atomic_store_explicit(&bin->top, top + count, memory_order_relaxed);
    INVARIANT(is_valid(bin));
}

void cache_bin_push_reversed(struct cache_bin *bin, void *const *blocks, size_t count)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);

    while (count != 0)
        *top++ = blocks[--count];
    atomic_store_explicit(&bin->top, top, memory_order_relaxed);
    INVARIANT(is_valid(bin));
}

void cache_bin_take_oldest(struct cache_bin *bin, void **blocks, size_t count)
{
    INVARIANT(is_valid(bin) && count <= cache_bin_count(bin));
    size_t left = cache_bin_count(bin) - count;
    void **base = cache_bin_base(bin);

    memcpy(blocks, base, count * sizeof(*blocks));
    memmove(base, base + count, left * sizeof(*blocks));
    atomic_store_explicit(&bin->top, base + left, memory_order_relaxed);
}
