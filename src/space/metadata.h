/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DRAM for the records of one file space: taken piece by piece, given back all at once.
 *
 * It comes from mmap(2) and not from malloc(3), because it is needed inside the allocator's own
 * hooks, and the process's malloc may be this library.
 */
#pragma once

#include <stddef.h>

struct metadata {
    struct metadata_block *blocks; /* newest first */
    size_t used;                   /* bytes of the newest block that are taken */
};

/* size zeroed bytes, aligned to 16; NULL where there is no memory. The caller locks. */
void *metadata_take(struct metadata *metadata, size_t size);

/* In the child of a fork. */
void metadata_after_fork(void);

/* Gives back everything that was taken. */
void metadata_release(struct metadata *metadata);
