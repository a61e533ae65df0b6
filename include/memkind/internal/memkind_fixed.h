/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds over memory that the program brings along, as in memkind_fixed(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Makes *kind a kind that has no memory yet: it can be destroyed, and allocates nothing.
 * memkind_create_fixed() gives it its area. Returns MEMKIND_SUCCESS, MEMKIND_ERROR_MALLOC,
 * MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_ENVIRON or MEMKIND_ERROR_ARENAS_CREATE; on failure nothing
 * is left.
 */
int memkind_fixed_create(struct memkind *kind, struct memkind_ops *ops, const char *name);

/* Gives back all that memkind_fixed_create() and the use of the kind have taken; the area stays
 * mapped. */
int memkind_fixed_destroy(struct memkind *kind);

/*
 * Takes size bytes (rounded up to a page) of the area, whatever stands in them. addr is ignored.
 * The memory belongs to the caller until the kind is destroyed. MAP_FAILED with errno EINVAL (size
 * 0) or ENOMEM (no room). Thread-safe.
 */
void *memkind_fixed_mmap(struct memkind *kind, void *addr, size_t size);

extern struct memkind_ops MEMKIND_FIXED_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
