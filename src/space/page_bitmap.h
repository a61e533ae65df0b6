/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of pages, one bit a page, and the runs in them. The caller locks.
 *
 * Ranges are [first, end) in pages; a bitmap of n pages has page_bitmap_words(n) words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BITMAP_WORD_PAGES ((size_t)64)

/* Returns the number of words in a set of so many pages. */
static inline size_t page_bitmap_words(size_t pages)
{
    return (pages + PAGE_BITMAP_WORD_PAGES - 1) / PAGE_BITMAP_WORD_PAGES;
}

/* Add the pages [first, end) to the set, and remove them. */
void page_bitmap_set(uint64_t *map, size_t first, size_t end);
void page_bitmap_clear(uint64_t *map, size_t first, size_t end);

/* Returns how many pages of the range are in the set. */
size_t page_bitmap_count(const uint64_t *map, size_t first, size_t end);

/* Whether all pages of the first set are in the second; whether none is. */
bool page_bitmap_is_subset(const uint64_t *map, const uint64_t *of, size_t pages);
bool page_bitmap_is_disjoint(const uint64_t *a, const uint64_t *b, size_t pages);

/* Returns the first page of the range that is (is not) in the set; end where there is none. */
size_t page_bitmap_next_set(const uint64_t *map, size_t first, size_t end);
size_t page_bitmap_next_clear(const uint64_t *map, size_t first, size_t end);
