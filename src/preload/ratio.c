/* SPDX-License-Identifier: BSD-2-Clause */
/* The threshold from which blocks go to PMEM, moved so that DRAM and PMEM keep a ratio. */
#include "preload/ratio.h"

#include <stdlib.h>

#define COUNTERS         16 /* so that threads seldom write to the same line */
#define CACHE_LINE       64
#define FIRST_THRESHOLD  ((size_t)1 << 10)
#define LARGEST          ((size_t)1 << 30)
#define ADAPT_OPERATIONS 32u                 /* adapt after so many, */
#define ADAPT_BYTES      ((ssize_t)64 << 10) /* or after one of so many bytes */
#define NEAR             4 /* within a quarter of the ratio, the steps are small */
#define SMALL_STEP       8
#define KEPT             32 /* within so small a part, the ratio is kept */

static struct counter {
    _Alignas(CACHE_LINE) atomic_long bytes[RATIO_PMEM + 1];
    atomic_uint operations;
} counters[COUNTERS];

static size_t parts[RATIO_PMEM + 1];
static atomic_size_t threshold = FIRST_THRESHOLD;

void ratio_set(unsigned dram, unsigned pmem)
{
    parts[RATIO_DRAM] = dram;
    parts[RATIO_PMEM] = pmem;
}

size_t ratio_threshold(void)
{
    return atomic_load_explicit(&threshold, memory_order_relaxed);
}

size_t ratio_bytes(enum ratio_side side)
{
    long sum = 0;

    for (size_t i = 0; i < COUNTERS; i++)
        sum += atomic_load_explicit(&counters[i].bytes[side], memory_order_relaxed);
    /* Blocks from before the counting are freed as well. */
    return sum > 0 ? (size_t)sum : 0;
}

static void adapt(void)
{
    /* Equal if the ratio is kept. Neither product overflows: addresses have 47 bits, parts 14. */
    size_t dram = ratio_bytes(RATIO_DRAM) * parts[RATIO_PMEM];
    size_t pmem = ratio_bytes(RATIO_PMEM) * parts[RATIO_DRAM];
    size_t size = ratio_threshold();
    size_t apart = dram > pmem ? dram - pmem : pmem - dram;

    if (apart <= (dram + pmem) / KEPT)
        return;
    size_t step = apart > (dram + pmem) / NEAR ? size : size / SMALL_STEP + 1;

    if (dram > pmem)
        size -= size > 1 ? (step + 1) / 2 : 0;
    else if (pmem > dram && size < LARGEST)
        size += step;
    atomic_store_explicit(&threshold, size, memory_order_relaxed);
}

static struct counter *own_counter(void)
{
    static atomic_uint next;
    static _Thread_local struct counter *own;

    if (own == NULL)
        own = &counters[atomic_fetch_add(&next, 1) % COUNTERS];
    return own;
}

void ratio_count(enum ratio_side side, ssize_t bytes)
{
    struct counter *own = own_counter();

    atomic_fetch_add_explicit(&own->bytes[side], bytes, memory_order_relaxed);
    unsigned operations = atomic_fetch_add_explicit(&own->operations, 1, memory_order_relaxed);
    if (operations % ADAPT_OPERATIONS == 0 || labs(bytes) >= ADAPT_BYTES)
        adapt();
}
