/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who performs the operations of an input.
 *
 *    in turns   up to four threads, one at a time, in one world: a block is freed by another thread
 *               than the one that allocated it, threads end while their caches are full, and all of
 *               it happens again in the same way when the input is given again
 *    at once    two to four threads that really run together, each with a part of the records and a
 *               world of its own. They share two kinds and those of the library, hand each other
 *               blocks, and make and destroy kinds of their own meanwhile
 */
#pragma once

#include "fuzz/model.h"

/* Frees all blocks, destroys all kinds, and checks what is left then. */
void players_clear(struct model_world *world);

/* Performs `count` records. At the end no block and no kind is left. Returns the calls made. */
unsigned long players_in_turns(const uint8_t *records, size_t count, const char *dir);

/* The same; the number says how many threads there are and what they share. */
unsigned long players_at_once(const uint8_t *records, size_t count, const char *dir,
                              unsigned number);
