/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before all sources of the interposer. A program that is linked with memkind's own
 * libmemkind.so.0 may find that one before this library's; the loader then uses it for the
 * interposer, too. Functions that memkind 1.14 does not have are weak references, so that the
 * loader does not end the program: start.c reports the library.
 */
#pragma once

#include "memkind.h"
#include "memkind/internal/memkind_arena.h"

#define WEAK(function) extern __typeof__(function)(function) __attribute__((weak))

WEAK(memkind_arena_defrag_reallocate);
WEAK(memkind_arena_fork_is_unprepared);
WEAK(memkind_arena_free_or);
WEAK(memkind_arena_free_uncached);
WEAK(memkind_arena_get_number);
WEAK(memkind_arena_get_slab);
WEAK(memkind_arena_get_stat);
WEAK(memkind_arena_malloc_or);
WEAK(memkind_arena_malloc_uncached);
WEAK(memkind_arena_open_view);
WEAK(memkind_arena_set_fallback);
WEAK(memkind_arena_set_least_block);
WEAK(memkind_config_set_fork);
WEAK(memkind_purge);
WEAK(memkind_set_allow_zero_allocs);

#undef WEAK
