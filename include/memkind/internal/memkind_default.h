/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the default heap, and operations for other kinds: memkind_default(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Start and end of every kind's life. create sets ops and the name, and disallows requests of size
 * 0. MEMKIND_ERROR_INVALID: an argument is NULL, or the name has more than 63 bytes.
 */
int memkind_default_create(struct memkind *kind, struct memkind_ops *ops, const char *name);
int memkind_default_destroy(struct memkind *kind);

/* The default heap. As the functions of memkind(3); free accepts any block of this library. */
void *memkind_default_malloc(struct memkind *kind, size_t size);
void *memkind_default_calloc(struct memkind *kind, size_t num, size_t size);
int memkind_default_posix_memalign(struct memkind *kind, void **memptr, size_t alignment,
                                   size_t size);
void *memkind_default_realloc(struct memkind *kind, void *ptr, size_t size);
void memkind_default_free(struct memkind *kind, void *ptr);
size_t memkind_default_malloc_usable_size(struct memkind *kind, void *ptr);

/*
 * mmap(2) with the kind's flags (get_mmap_flags, or private and anonymous); MAP_FAILED with errno.
 */
void *memkind_default_mmap(struct memkind *kind, void *addr, size_t size);

/* mbind(2) with the kind's mode and nodes. MEMKIND_ERROR_MBIND with errno. */
int memkind_default_mbind(struct memkind *kind, void *ptr, size_t size);

/* Stores MAP_PRIVATE | MAP_ANONYMOUS. */
int memkind_default_get_mmap_flags(struct memkind *kind, int *flags);

/* Store MPOL_BIND, MPOL_PREFERRED, MPOL_INTERLEAVE. */
int memkind_default_get_mbind_mode(struct memkind *kind, int *mode);
int memkind_preferred_get_mbind_mode(struct memkind *kind, int *mode);
int memkind_interleave_get_mbind_mode(struct memkind *kind, int *mode);

/* Stores all nodes that the process may use. */
int memkind_default_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode);

/* Stores the nodes that have processors. */
int memkind_regular_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                           unsigned long maxnode);

/* madvise(2) with MADV_NOHUGEPAGE. MEMKIND_ERROR_OPERATION_FAILED with errno. */
int memkind_nohugepage_madvise(struct memkind *kind, void *addr, size_t size);

/* Returns 0, or EINVAL: the alignment is not a power of two, or is less than sizeof(void *). */
int memkind_posix_check_alignment(struct memkind *kind, size_t alignment);

/*
 * Initializes the library, and starts background threads if MEMKIND_BACKGROUND_THREAD_LIMIT is set.
 * Every function that needs this calls it. Further calls have no effect.
 */
void memkind_default_init_once(void);

extern struct memkind_ops MEMKIND_DEFAULT_OPS;
extern struct memkind_ops MEMKIND_REGULAR_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
