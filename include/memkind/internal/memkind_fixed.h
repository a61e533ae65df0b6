/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in memory that the program provides: memkind_fixed(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Turns *kind into a kind without memory: it can be destroyed, but cannot allocate.
 * memkind_create_fixed() adds the area. Returns MEMKIND_SUCCESS, MEMKIND_ERROR_MALLOC,
 * MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_ENVIRON or MEMKIND_ERROR_ARENAS_CREATE. On failure nothing
 * is left behind.
 */
int memkind_fixed_create(struct memkind *kind, struct memkind_ops *ops, const char *name);

/* Releases all resources of the kind. The area stays mapped. */
int memkind_fixed_destroy(struct memkind *kind);

/*
 * Allocates size bytes (rounded up to a page) of the area, with their old contents. addr is
 * ignored. The memory belongs to the caller until the kind is destroyed. MAP_FAILED with errno
 * EINVAL (size 0) or ENOMEM (no room). Thread-safe.
 */
void *memkind_fixed_mmap(struct memkind *kind, void *addr, size_t size);

extern struct memkind_ops MEMKIND_FIXED_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
