/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in the memory of the largest NUMA nodes. */
#pragma once

#include "memkind/internal/memkind_private.h"

#pragma GCC visibility push(default)

extern struct memkind_ops MEMKIND_HIGHEST_CAPACITY_OPS;
extern struct memkind_ops MEMKIND_HIGHEST_CAPACITY_PREFERRED_OPS;
extern struct memkind_ops MEMKIND_HIGHEST_CAPACITY_LOCAL_OPS;
extern struct memkind_ops MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED_OPS;

#pragma GCC visibility pop
