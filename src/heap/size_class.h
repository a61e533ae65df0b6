/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's size classes, up to the largest that threads' caches keep.
 *
 * Classes are numbered from 1, in order of size. Larger blocks have no class, written 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SIZE_CLASS_LARGEST ((size_t)32 << 10)
#define SIZE_CLASS_QUANTUM 8  /* all sizes are multiples of it */
#define SIZE_CLASS_LIMIT   64 /* there are fewer classes than this */

/* By (size - 1) / SIZE_CLASS_QUANTUM. */
extern uint8_t size_class_table[SIZE_CLASS_LARGEST / SIZE_CLASS_QUANTUM]
    __attribute__((visibility("hidden")));
extern uint32_t size_class_sizes[SIZE_CLASS_LIMIT];
extern unsigned size_class_count; /* classes are 1 ... size_class_count */

/*
 * Starts jemalloc and fills the tables, unless an earlier call has. 0; -ENOTSUP where jemalloc does
 * not work on this kernel, or its classes do not fit the tables; -ENOMEM or -EAGAIN: see
 * jemalloc_start(). One thread at a time.
 */
int size_class_init(void);

/* The most that size_class_set_least() allows. */
#define SIZE_CLASS_LEAST_MOST ((size_t)64)

/*
 * Requests of less than `least` bytes get the class of `least` bytes, 1 ... SIZE_CLASS_LEAST_MOST,
 * from now on. Blocks of smaller classes keep their class. Thread-safe.
 */
void size_class_set_least(size_t least);

/* The class of a request of 1 ... SIZE_CLASS_LARGEST bytes. */
static inline unsigned size_class_of(size_t size)
{
    return size_class_table[(size - 1) / SIZE_CLASS_QUANTUM];
}

/* The usable size of blocks of a class, not 0. */
static inline size_t size_class_size(size_t size_class)
{
    return size_class_sizes[size_class];
}

/*
 * Returns the class whose blocks have this usable size, even if a request of that size gets another
 * class.
 */
static inline unsigned size_class_of_block(size_t size)
{
    unsigned size_class = size_class_of(size);

    while (size_class > 1 && size_class_size(size_class - 1) >= size)
        size_class--;
    return size_class;
}
