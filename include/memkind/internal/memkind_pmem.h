/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds whose memory lies in a file: memkind_pmem(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* File space is divided into chunks of this size, so that one PMD entry can map each on DAX. */
#define MEMKIND_PMEM_CHUNK_SIZE (1ull << 21)

/* The object at priv of such a kind. Private members of the library follow. */
struct memkind_pmem {
    int fd;                    /* the file; -1: none yet */
    off_t offset;              /* where in the file the next address space will be mapped */
    size_t max_size;           /* maximum file space, a multiple of the chunk; 0: no limit */
    pthread_mutex_t pmem_lock; /* guards offset */
    size_t current_size;       /* bytes of file space held; atomic */
    char *dir;                 /* the directory of the file; NULL: none yet */
};

/*
 * Turns *kind into a PMEM kind without a file: it can be destroyed, but cannot allocate. Returns
 * MEMKIND_SUCCESS, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_ENVIRON or
 * MEMKIND_ERROR_ARENAS_CREATE. On failure nothing is left behind.
 */
int memkind_pmem_create(struct memkind *kind, struct memkind_ops *ops, const char *name);

/* Releases all resources of the kind. */
int memkind_pmem_destroy(struct memkind *kind);

/*
 * Maps size bytes (rounded up to a page) of committed file space that reads as zero, aligned to
 * MEMKIND_PMEM_CHUNK_SIZE. addr is ignored. The memory belongs to the caller until the kind is
 * destroyed. MAP_FAILED with errno EINVAL (size 0), EBADF (no file yet) or ENOMEM (no space).
 * Thread-safe.
 */
void *memkind_pmem_mmap(struct memkind *kind, void *addr, size_t size);

/* Stores MAP_SHARED in *flags. MEMKIND_ERROR_INVALID for a NULL flags. */
int memkind_pmem_get_mmap_flags(struct memkind *kind, int *flags);

/* Checks that files in dir can be mapped with MAP_SYNC. Results as of memkind_check_dax_path(). */
int memkind_pmem_validate_dir(const char *dir);

extern struct memkind_ops MEMKIND_PMEM_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
