/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of pages, a word at a time. */
#include "space/page_bitmap.h"

/* The bits of word `word` that lie in [first, end). */
static uint64_t mask_of_range(size_t word, size_t first, size_t end)
{
    size_t start = word * PAGE_BITMAP_WORD_PAGES;
    uint64_t mask = UINT64_MAX;

    if (first > start)
        mask &= UINT64_MAX << (first - start);
    if (end < start + PAGE_BITMAP_WORD_PAGES)
        mask &= UINT64_MAX >> (start + PAGE_BITMAP_WORD_PAGES - end);
    return mask;
}

void page_bitmap_set(uint64_t *map, size_t first, size_t end)
{
    for (size_t word = first / PAGE_BITMAP_WORD_PAGES; word * PAGE_BITMAP_WORD_PAGES < end; word++)
        map[word] |= mask_of_range(word, first, end);
}

void page_bitmap_clear(uint64_t *map, size_t first, size_t end)
{
    for (size_t word = first / PAGE_BITMAP_WORD_PAGES; word * PAGE_BITMAP_WORD_PAGES < end; word++)
        map[word] &= ~mask_of_range(word, first, end);
}

size_t page_bitmap_count(const uint64_t *map, size_t first, size_t end)
{
    size_t count = 0;

    for (size_t word = first / PAGE_BITMAP_WORD_PAGES; word * PAGE_BITMAP_WORD_PAGES < end; word++)
        count += (size_t)__builtin_popcountll(map[word] & mask_of_range(word, first, end));
    return count;
}

bool page_bitmap_is_subset(const uint64_t *map, const uint64_t *of, size_t pages)
{
    for (size_t word = 0; word < page_bitmap_words(pages); word++)
        if ((map[word] & ~of[word]) != 0)
            return false;
    return true;
}

bool page_bitmap_is_disjoint(const uint64_t *a, const uint64_t *b, size_t pages)
{
    for (size_t word = 0; word < page_bitmap_words(pages); word++)
        if ((a[word] & b[word]) != 0)
            return false;
    return true;
}

/* The first page of the range whose bit, exclusive-or flip, is one. */
static size_t next_one(const uint64_t *map, size_t first, size_t end, uint64_t flip)
{
    for (size_t word = first / PAGE_BITMAP_WORD_PAGES; word * PAGE_BITMAP_WORD_PAGES < end;
         word++) {
        uint64_t bits = (map[word] ^ flip) & mask_of_range(word, first, end);

        if (bits != 0)
            return word * PAGE_BITMAP_WORD_PAGES + (size_t)__builtin_ctzll(bits);
    }
    return end;
}

size_t page_bitmap_next_set(const uint64_t *map, size_t first, size_t end)
{
    return next_one(map, first, end, 0);
}

size_t page_bitmap_next_clear(const uint64_t *map, size_t first, size_t end)
{
    return next_one(map, first, end, UINT64_MAX);
}
