/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the kind whose pages are spread over all nodes: memkind_interleave(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Initializes MEMKIND_INTERLEAVE, as its first allocation does. Further calls have no effect. */
void memkind_interleave_init_once(void);

extern struct memkind_ops MEMKIND_INTERLEAVE_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
