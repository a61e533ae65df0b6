/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast paths of memkind_arena(3): a block from the calling thread's cache, and back to it.
 *
 * Both may be tried for every kind, whatever its operations are: a kind whose blocks threads do not
 * keep has no room in any cache. So it is with kinds of the program that have a malloc or a free of
 * their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/size_class.h"
#include "heap/thread_cache.h"
#include "heap/thread_own.h"
#include "memkind/internal/memkind_private.h"
#include "space/address_map.h"
#include "space/page_map.h"

/* A block of the kind; NULL where the kind's malloc must be called. */
static inline void *memkind_arena_pop(const struct memkind *kind, size_t size)
{
    if (__builtin_expect(size - 1 >= thread_own_near.sizes, 0))
        return NULL;
    /* As kind_registry_owner(), but with a sum that is part of the address. */
    struct thread_cache **caches = thread_own_near_caches() + ADDRESS_MAP_FIRST_OWNER;
    return thread_cache_pop_from(caches[kind->partition], size_class_of(size));
}

/*
 * Takes any block of the library; false where its kind's free must be called. Any ptr is allowed.
 * The kind is found from the block, at no more cost than from an argument.
 */
static inline bool memkind_arena_push(void *ptr)
{
    if (__builtin_expect((uintptr_t)ptr >= thread_own_near.blocks, 0))
        return false;
    const _Atomic uint8_t *byte = page_map_at_owned(ptr);
    if (__builtin_expect(byte == NULL, 0))
        return false;
    struct thread_cache **caches = thread_own_near_caches();
    return thread_cache_push_to(caches[address_map_owner_known(ptr)], page_map_read(byte), ptr);
}
