/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of kinds in the memory of the local NUMA nodes of the most bandwidth or least latency.
 */
#pragma once

#include "memkind/internal/memkind_private.h"

#pragma GCC visibility push(default)

extern struct memkind_ops MEMKIND_HIGHEST_BANDWIDTH_LOCAL_OPS;
extern struct memkind_ops MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED_OPS;
extern struct memkind_ops MEMKIND_LOWEST_LATENCY_LOCAL_OPS;
extern struct memkind_ops MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED_OPS;

#pragma GCC visibility pop
