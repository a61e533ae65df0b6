/* SPDX-License-Identifier: BSD-2-Clause */
/* jemalloc's size classes. */
#include "heap/size_class.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "heap/jemalloc_block.h"
#include "heap/jemalloc_start.h"

uint8_t size_class_table[SIZE_CLASS_LARGEST / SIZE_CLASS_QUANTUM];
uint32_t size_class_sizes[SIZE_CLASS_LIMIT];
unsigned size_class_count;

static atomic_size_t least_block = 1;
static atomic_bool filled;

/* The first entries of the table obey size_class_set_least(). */
static void fill_first(void)
{
    size_t least = atomic_load(&least_block);
    unsigned size_class = 1;

    for (size_t size = 1; size <= SIZE_CLASS_LEAST_MOST; size += SIZE_CLASS_QUANTUM) {
        while (size_class_sizes[size_class] < size || size_class_sizes[size_class] < least)
            size_class++;
        /* Other threads may read the entry. */
        __atomic_store_n(&size_class_table[(size - 1) / SIZE_CLASS_QUANTUM], (uint8_t)size_class,
                         __ATOMIC_RELAXED);
    }
}

void size_class_set_least(size_t least)
{
    atomic_store(&least_block, least);
    if (atomic_load(&filled))
        fill_first();
}

static int fill_tables(void)
{
    size_t done = 0; /* the table is filled for requests up to this size */
    unsigned size_class = 0;

    while (done < SIZE_CLASS_LARGEST) {
        size_t size = jemalloc_block_class_size(done + 1);

        if (++size_class >= SIZE_CLASS_LIMIT || size <= done || size > SIZE_CLASS_LARGEST ||
            size % SIZE_CLASS_QUANTUM != 0)
            return -ENOTSUP;
        size_class_sizes[size_class] = (uint32_t)size;
        memset(size_class_table + done / SIZE_CLASS_QUANTUM, (int)size_class,
               (size - done) / SIZE_CLASS_QUANTUM);
        done = size;
    }
    size_class_count = size_class;
    atomic_store(&filled, true);
    fill_first();
    return 0;
}

int size_class_init(void)
{
    if (size_class_count != 0)
        return 0;
    int err = jemalloc_start();
    return err != 0 ? err : fill_tables();
}
