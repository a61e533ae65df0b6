/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes bytes into operations: one byte for the mode and one for its parameters, then a record of
 * six bytes for each operation. Every sequence of bytes is valid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INPUT_HEADER  ((size_t)2)
#define INPUT_RECORD  ((size_t)6)
#define INPUT_LARGEST (INPUT_HEADER + 16384 * INPUT_RECORD)

struct input_record {
    uint8_t operation; /* see operations.h */
    uint8_t who;       /* low three bits: slot of a kind; high bits: as the operation needs them */
    uint16_t a;        /* mostly a size */
    uint16_t b;        /* mostly the number of a block, or an alignment */
};

static inline struct input_record input_record(const uint8_t *bytes)
{
    return (struct input_record){
        .operation = bytes[0],
        .who = bytes[1],
        .a = (uint16_t)(bytes[2] | bytes[3] << 8),
        .b = (uint16_t)(bytes[4] | bytes[5] << 8),
    };
}

/* Returns a flag of the record, 0 to 4. */
static inline bool input_flag(const struct input_record *record, unsigned number)
{
    return (record->who >> (3 + number) & 1) != 0;
}

/* Returns the slot of a kind: more often a created kind than MEMKIND_DEFAULT or MEMKIND_REGULAR. */
unsigned input_slot(const struct input_record *record);

/*
 * Returns the size for a number: mostly small, each doubling equally likely; seldom up to some MiB;
 * now and then a class's size, one more or less, or a special one, such as 0, max_size or SIZE_MAX.
 */
size_t input_size(uint16_t number, size_t max_size);

/* Returns the alignment for a number: mostly small, up to 2 GiB, sometimes invalid. */
size_t input_alignment(uint16_t number);
