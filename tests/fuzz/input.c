/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes bytes into operations: kinds, sizes and alignments. */
#include "fuzz/input.h"

#include "fuzz/model.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A size is a scale (the high four bits) and a place in it (the low twelve). */
#define PLACE_BITS   12
#define TINY_SCALES  7  /* up to a KiB */
#define SMALL_SCALES 11 /* from 8 bytes on, each twice the previous one: up to 16 KiB */

unsigned input_slot(const struct input_record *record)
{
    static const unsigned slots[] = {2, 3, 4, 5, 2, 3, 1, 0};

    return slots[record->who % COUNT_OF(slots)];
}

/* The boundaries of classes: quarters of a doubling, and one byte below and above. */
static size_t boundary(size_t place, unsigned first_log2, unsigned doublings)
{
    size_t doubled = (size_t)1 << (first_log2 + place / 12 % doublings);

    return doubled + place / 3 % 4 * (doubled / 4) + place % 3 - 1;
}

static size_t special(size_t place, size_t max_size)
{
    const size_t sizes[] = {
        0,
        1,
        MODEL_PAGE,
        32 * KIB,
        32 * KIB + 1,
        MEMKIND_PMEM_CHUNK_SIZE,
        MEMKIND_PMEM_CHUNK_SIZE + 1,
        max_size,
        max_size + 1,
        max_size / 2,
        max_size - MEMKIND_PMEM_CHUNK_SIZE,
        MODEL_NEVER_FIT,
        PTRDIFF_MAX,
        SIZE_MAX / 2 + 2,
        SIZE_MAX - MODEL_PAGE,
        SIZE_MAX,
    };

    return sizes[place % COUNT_OF(sizes)];
}

size_t input_size(uint16_t number, size_t max_size)
{
    unsigned scale = number >> PLACE_BITS;
    size_t place = number % ((size_t)1 << PLACE_BITS);
    bool seldom = place % 32 == 0;

    if (max_size == 0)
        max_size = 32 * MIB;
    /* Fewer of the blocks that need pages of their own, which take most of the time. */
    if (scale >= TINY_SCALES && scale < SMALL_SCALES && place % 4 != 0)
        scale -= TINY_SCALES;
    if (scale < SMALL_SCALES)
        return ((size_t)8 << scale) + place % ((size_t)8 << scale);
    /* A large request takes as long as a hundred small ones. */
    switch (scale) {
    case SMALL_SCALES: /* up to the largest that threads cache, and a little more */
        return place % 8 == 0 ? 16 * KIB + place * 5 : 1 + place % KIB;
    case SMALL_SCALES + 1:
        return seldom ? 32 * KIB + place * 24 : 1 + place % 256;
    case SMALL_SCALES + 2:
        return seldom ? boundary(place / 32, 16, 9) : boundary(place, 3, 12);
    case SMALL_SCALES + 3:
        return seldom ? special(place / 32, max_size) : 1 + place % 64;
    default:
        return seldom ? place / 16 * MODEL_PAGE : 1 + place / 4;
    }
}

size_t input_alignment(uint16_t number)
{
    unsigned choice = number % 64;

    if (choice < 40)
        return sizeof(void *) << choice % 10;
    if (choice < 60)
        return (size_t)1 << (choice - 40 + 12);
    static const size_t wrong[] = {0, 1, 4, 24};
    return wrong[choice - 60];
}
