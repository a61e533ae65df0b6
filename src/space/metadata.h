/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for the records of one space: allocated piece by piece, released all at once.
 *
 * The memory comes from mmap(2). malloc(3) cannot be called in the hooks of the allocator, and may
 * be this library.
 */
#pragma once

#include <stddef.h>

/* Pieces come from blocks of so many bytes, larger pieces from blocks of their own. */
#define METADATA_BLOCK ((size_t)64 << 10)

#define METADATA_ALIGNMENT ((size_t)16)

struct metadata {
    struct metadata_block *blocks; /* newest first */
    size_t used;                   /* bytes of the newest block that are taken */
};

/*
 * Returns size bytes of zero, aligned to METADATA_ALIGNMENT; NULL where there is no memory. The
 * caller locks.
 */
void *metadata_take(struct metadata *metadata, size_t size);

/* In the child of a fork. */
void metadata_after_fork(void);

/* Releases all pieces. */
void metadata_release(struct metadata *metadata);
