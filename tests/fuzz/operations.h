/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All operations of the fuzzer: an operation makes one or a few public calls, and checks the
 * results against the model.
 *
 * Operations on an empty slot first create a kind there, so that most sequences have an effect.
 */
#pragma once

#include "fuzz/input.h"
#include "fuzz/model.h"

/*
 * X(name, weight): how many of the 256 values of a record's first byte select the operation. Those
 * after OPERATION_ALONE are skipped while threads run at once.
 */
#define OPERATIONS(X)       \
    X(malloc, 46)           \
    X(calloc, 12)           \
    X(memalign, 12)         \
    X(realloc, 26)          \
    X(free, 81)             \
    X(look_at, 12)          \
    X(defragment, 8)        \
    X(exhaust, 1)           \
    X(free_many, 4)         \
    X(hand_over, 12)        \
    X(create, 2)            \
    X(destroy, 1)           \
    X(create_wrongly, 1)    \
    X(set_policy, 1)        \
    X(map, 2)               \
    X(ask_kind, 6)          \
    X(ask_library, 4)       \
    X(ask_stray, 6)         \
    X(check_all, 2)         \
    X(report, 1)            \
    X(allow_zero_allocs, 3) \
    X(limit_files, 1)       \
    X(background, 1)        \
    X(take_turn, 9)         \
    X(end_thread, 2)

#define OPERATION_ALONE OPERATION_allow_zero_allocs

#define X(name, weight) OPERATION_##name,
enum operation { OPERATIONS(X) OPERATION_COUNT };
#undef X

/* Returns the operation of a record's first byte. */
enum operation operation_of(uint8_t byte);

/* Returns a first byte that selects the operation. */
uint8_t operation_byte(enum operation operation);

/* Performs the record in this world. take_turn, end_thread, hand_over: see players.h. */
void operation_run(struct model_world *world, const struct input_record *record);

/* Frees the block in a way selected by the number: with its kind, NULL, MEMKIND_DEFAULT ... */
void operations_free(struct model_world *world, struct model_block *block, unsigned way);

/* -- kinds.c ----------------------------------------------------------------------------------- */

/*
 * Returns the kind in a slot, which is created as the number says if the slot is empty. In hardship
 * that may fail: then the kind has no handle.
 */
struct model_kind *kinds_get(struct model_world *world, unsigned slot, uint16_t number);

void kinds_destroy(struct model_world *world, unsigned slot);

void operation_create(struct model_world *world, const struct input_record *record);
void operation_destroy(struct model_world *world, const struct input_record *record);
void operation_create_wrongly(struct model_world *world, const struct input_record *record);
void operation_set_policy(struct model_world *world, const struct input_record *record);
void operation_allow_zero_allocs(struct model_world *world, const struct input_record *record);
void operation_map(struct model_world *world, const struct input_record *record);

/* -- questions.c ------------------------------------------------------------------------------- */

void operation_ask_kind(struct model_world *world, const struct input_record *record);
void operation_ask_library(struct model_world *world, const struct input_record *record);
void operation_ask_stray(struct model_world *world, const struct input_record *record);
void operation_report(struct model_world *world, const struct input_record *record);
void operation_limit_files(struct model_world *world, const struct input_record *record);
void operation_background(struct model_world *world, const struct input_record *record);

/* Undoes the settings of the last two. */
void questions_reset(struct model_world *world);
