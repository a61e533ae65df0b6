/* SPDX-License-Identifier: BSD-2-Clause */
/* What the alloc hooks of tests return, where extents need no file. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* Returns anonymous memory, aligned to a power of two; NULL. The memory is never unmapped. */
static inline void *anonymous_extent(size_t size, size_t alignment)
{
    char *memory = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory + (-(uintptr_t)memory & (alignment - 1));
}
