/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounding of sizes and addresses to a unit, which is a power of two. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The size of a large page, and of what one PMD entry maps if pages have 4 KiB. */
#define LARGE_PAGE_SHIFT 21
#define LARGE_PAGE       ((size_t)1 << LARGE_PAGE_SHIFT)

static inline size_t align_down(size_t n, size_t unit)
{
    return n & ~(unit - 1);
}

/* 0: the result would exceed SIZE_MAX. */
static inline size_t align_up(size_t n, size_t unit)
{
    return (n + unit - 1) & ~(unit - 1);
}

/* The distance from n up to the next multiple of the unit. */
static inline size_t align_rest(size_t n, size_t unit)
{
    return -n & (unit - 1);
}

static inline bool is_aligned(size_t n, size_t unit)
{
    return (n & (unit - 1)) == 0;
}

static inline bool is_aligned_ptr(const void *ptr, size_t unit)
{
    return is_aligned((uintptr_t)ptr, unit);
}

static inline void *align_ptr_down(const void *ptr, size_t unit)
{
    return (char *)ptr - ((uintptr_t)ptr & (unit - 1));
}

static inline void *align_ptr_up(const void *ptr, size_t unit)
{
    return (char *)ptr + align_rest((uintptr_t)ptr, unit);
}
