/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the default heap, and pieces for other kinds, as in memkind_default(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Start and end of every kind's life: ops and name (cut to 63 bytes), zero allocations not allowed.
 */
int memkind_default_create(struct memkind *kind, struct memkind_ops *ops, const char *name);
int memkind_default_destroy(struct memkind *kind);

/* The default heap. As the functions of memkind(3); free takes any block of this library. */
void *memkind_default_malloc(struct memkind *kind, size_t size);
void *memkind_default_calloc(struct memkind *kind, size_t num, size_t size);
int memkind_default_posix_memalign(struct memkind *kind, void **memptr, size_t alignment,
                                   size_t size);
void *memkind_default_realloc(struct memkind *kind, void *ptr, size_t size);
void memkind_default_free(struct memkind *kind, void *ptr);
size_t memkind_default_malloc_usable_size(struct memkind *kind, void *ptr);

/* mmap(2) with the kind's flags (get_mmap_flags, or private and anonymous); MAP_FAILED with errno.
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

/* All nodes that the process may use. */
int memkind_default_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode);

/* The nodes that have processors. */
int memkind_regular_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                           unsigned long maxnode);

/* madvise(2) with MADV_NOHUGEPAGE. MEMKIND_ERROR_OPERATION_FAILED with errno. */
int memkind_nohugepage_madvise(struct memkind *kind, void *addr, size_t size);

/* 0, or EINVAL where the alignment is not a power of two or is less than sizeof(void *). */
int memkind_posix_check_alignment(struct memkind *kind, size_t alignment);

/* Readies the library. Done by every function that needs it; calling it again does nothing. */
void memkind_default_init_once(void);

extern struct memkind_ops MEMKIND_DEFAULT_OPS;
extern struct memkind_ops MEMKIND_REGULAR_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
