/* SPDX-License-Identifier: BSD-2-Clause */
/* jemalloc's size classes. */
#include "heap/size_class.h"

#include <errno.h>

#include "heap/jemalloc_block.h"
#include "heap/jemalloc_start.h"

uint8_t size_class_table[SIZE_CLASS_LARGEST / SIZE_CLASS_QUANTUM];
uint32_t size_class_sizes[SIZE_CLASS_LIMIT];
unsigned size_class_count;

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
        for (; done < size; done += SIZE_CLASS_QUANTUM)
            size_class_table[done / SIZE_CLASS_QUANTUM] = (uint8_t)size_class;
    }
    size_class_count = size_class;
    return 0;
}

int size_class_init(void)
{
    if (size_class_count != 0)
        return 0;
    int err = jemalloc_start();
    return err != 0 ? err : fill_tables();
}
