/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds whose memory lies in a file, as in memkind_pmem(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* File space is laid out in chunks of this many bytes, so that one PMD entry can map each on DAX.
 */
#define MEMKIND_PMEM_CHUNK_SIZE (1ull << 21)

/* What priv of such a kind points to; members for the library's own use follow. */
struct memkind_pmem {
    int fd;                    /* the file; -1 while there is none */
    off_t offset;              /* where in the file the next address space will be mapped */
    size_t max_size;           /* most bytes of file space, a multiple of the chunk; 0: no limit */
    pthread_mutex_t pmem_lock; /* guards offset */
    size_t current_size;       /* bytes of file space held, changed atomically */
    char *dir;                 /* the directory of the file, NULL while there is none */
};

/*
 * Makes *kind a PMEM kind that has no file yet: it can be destroyed, and allocates nothing. Returns
 * MEMKIND_SUCCESS, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_ENVIRON or
 * MEMKIND_ERROR_ARENAS_CREATE; on failure nothing is left.
 */
int memkind_pmem_create(struct memkind *kind, struct memkind_ops *ops, const char *name);

/* Gives back all that memkind_pmem_create() and the use of the kind have taken. */
int memkind_pmem_destroy(struct memkind *kind);

/*
 * Maps size bytes (rounded up to a page) of file space that is committed and reads as zero, aligned
 * to MEMKIND_PMEM_CHUNK_SIZE. addr is ignored. The memory belongs to the caller until the kind is
 * destroyed. MAP_FAILED with errno EINVAL (size 0), EBADF (no file yet) or ENOMEM (no space).
 * Thread-safe.
 */
void *memkind_pmem_mmap(struct memkind *kind, void *addr, size_t size);

/* Stores MAP_SHARED in *flags. MEMKIND_ERROR_INVALID for a NULL flags. */
int memkind_pmem_get_mmap_flags(struct memkind *kind, int *flags);

/* Whether files in dir can be mapped with MAP_SYNC; results as memkind_check_dax_path(). */
int memkind_pmem_validate_dir(const char *dir);

extern struct memkind_ops MEMKIND_PMEM_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
