/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The players of an input's operations.
 *
 *    in turns   up to four threads, one at a time, in one world: a block is freed by another thread
 *               than the one that allocated it, and threads end while their caches are full. The
 * same input always gives the same sequence at once    two to four threads that really run
 * together, each with a part of the records and a world of its own. They share two kinds and those
 * of the library, exchange blocks, and create and destroy kinds of their own meanwhile
 */
#pragma once

#include "fuzz/model.h"

/* Frees all blocks, destroys all kinds, and checks that nothing is left. */
void players_clear(struct model_world *world);

/* Performs `count` records. At the end no block and no kind is left. Returns the calls made. */
unsigned long players_in_turns(const uint8_t *records, size_t count, const char *dir);

/* Performs `count` records. The number selects how many threads there are and what they share. */
unsigned long players_at_once(const uint8_t *records, size_t count, const char *dir,
                              unsigned number);
