/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in the memory of DAX devices in system-ram mode: memkind_dax_kmem(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Stores the nodes of such memory: those that MEMKIND_DAX_KMEM_NODES lists, or those of devices in
 * system-ram mode. MEMKIND_ERROR_UNAVAILABLE: there are none. MEMKIND_ERROR_ENVIRON: the list is
 * invalid. MEMKIND_ERROR_INVALID: nodemask is NULL, or a node is not below maxnode.
 */
int memkind_dax_kmem_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                            unsigned long maxnode);

extern struct memkind_ops MEMKIND_DAX_KMEM_OPS;
extern struct memkind_ops MEMKIND_DAX_KMEM_ALL_OPS;
extern struct memkind_ops MEMKIND_DAX_KMEM_PREFERRED_OPS;
extern struct memkind_ops MEMKIND_DAX_KMEM_INTERLEAVE_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
