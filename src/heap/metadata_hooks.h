/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks for jemalloc's metadata: private anonymous memory, unmapped when the arena is
 * destroyed. The first blocks of a few arenas are kept for later arenas, set to zero.
 */
#pragma once

#include <jemalloc/jemalloc.h>

#include "util/align.h"

/* The size and alignment of an arena's first block. */
#define METADATA_HOOKS_BLOCK LARGE_PAGE

extern extent_hooks_t metadata_hooks;

/* In the child of a fork: forgets the kept blocks. */
void metadata_hooks_after_fork(void);
