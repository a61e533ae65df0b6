/* SPDX-License-Identifier: BSD-2-Clause */
/* Controls of mallctl(3) that are used often: their names are translated once. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#define JEMALLOC_CONTROL_PARTS 3

/* Initialize with the name alone, which has at most JEMALLOC_CONTROL_PARTS parts. */
struct jemalloc_control {
    const char *name;
    atomic_size_t parts; /* in the name; 0 until the first call */
    atomic_size_t translated[JEMALLOC_CONTROL_PARTS];
};

/*
 * mallctl(3). 0 or -errno: -ENOENT where this jemalloc has no such control. jemalloc has started.
 * Thread-safe.
 */
int jemalloc_control_call(struct jemalloc_control *control, void *old, size_t *old_size, void *new,
                          size_t new_size);
