/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that a program may define to observe or change each call of memtier: libmemtier(3). The
 * library calls a *_post function after the call, with its result, and memtier_kind_free_pre()
 * before a free. NULL where the program does not define the function.
 */
#pragma once

#include "memkind.h"

#define TIER_DECORATOR __attribute__((weak, visibility("default")))

TIER_DECORATOR void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result);
TIER_DECORATOR void memtier_kind_calloc_post(memkind_t kind, size_t num, size_t size,
                                             void **result);
TIER_DECORATOR void memtier_kind_posix_memalign_post(memkind_t kind, void **memptr,
                                                     size_t alignment, size_t size, int *err);
TIER_DECORATOR void memtier_kind_realloc_post(memkind_t *kind, void *ptr, size_t size,
                                              void **result);
TIER_DECORATOR void memtier_kind_free_pre(void **ptr);
TIER_DECORATOR void memtier_kind_usable_size_post(void **ptr, size_t size);
