/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of blocks whose every byte is known, for processes that are forked from each other.
 *
 * A block holds two parts of one constant text, so that a part of a block can be written anew. A
 * table lies in memory that the kernel copies for a child: with the table, a child has the contents
 * that its heap must have. A table is used by one thread at a time.
 */
#pragma once

#include <memkind.h>

#include <stdbool.h>
#include <stddef.h>

#define BLOCKS_SLOTS 200
#define BLOCKS_KINDS 3

struct blocks_block {
    unsigned char *ptr; /* NULL: none */
    size_t size;
    size_t cut;  /* the second part begins here */
    size_t head; /* where the parts are in the text */
    size_t tail;
};

struct blocks_table {
    struct blocks_block blocks[BLOCKS_SLOTS];
    unsigned seed;          /* of the operations */
    unsigned long checks;   /* of whole blocks */
    unsigned long refusals; /* NULL: the file system or a kind is full */
};

/* The kinds of all tables. */
extern memkind_t blocks_kinds[BLOCKS_KINDS];

/* Makes the text. Not thread-safe. */
void blocks_init(void);

/* Allocates, frees, resizes, moves or writes a block, by stores or by a system call. */
void blocks_operate(struct blocks_table *table);

/* Checks every byte of all blocks, and ends the process if one is not as it was written. */
void blocks_check(struct blocks_table *table);

/* Frees all blocks, and checks them first. */
void blocks_free(struct blocks_table *table);

/* Forgets blocks of a kind, which cannot be read. */
void blocks_forget(struct blocks_table *table, memkind_t kind);
