/* SPDX-License-Identifier: BSD-2-Clause */
/* Disables the mapping cache, for tests that count mappings. Include once. */
/* WRAP: mapping_cache_find mapping_cache_take mapping_cache_put */
#pragma once

#include <sys/mman.h>

#include "os/mapping_cache.h"

void *__wrap_mapping_cache_find(struct mapping_cache *cache);
void *__wrap_mapping_cache_take(struct mapping_cache *cache, size_t size);
void __wrap_mapping_cache_put(struct mapping_cache *cache, void *piece, size_t size);

void *__wrap_mapping_cache_find(struct mapping_cache *cache)
{
    (void)cache;
    return NULL;
}

void *__wrap_mapping_cache_take(struct mapping_cache *cache, size_t size)
{
    void *piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)cache;
    return piece == MAP_FAILED ? NULL : piece;
}

void __wrap_mapping_cache_put(struct mapping_cache *cache, void *piece, size_t size)
{
    (void)cache;
    munmap(piece, size);
}
