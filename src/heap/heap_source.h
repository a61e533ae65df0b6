/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap's arenas as the source of its caches' blocks. */
#pragma once

#include "heap/block_source.h"

/* Initializes the member `source` of a struct heap. */
void heap_source_init(struct block_source *source);
