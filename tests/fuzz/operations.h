/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that the fuzzer does to the library: an operation makes one public call, or a few, and
 * checks what comes back against the model.
 *
 * Operations on a slot that is empty make a kind there first, so that most sequences do something.
 */
#pragma once

#include "fuzz/input.h"
#include "fuzz/model.h"

/*
 * X(name, weight): how many of the 256 values of a record's first byte mean the operation. Those
 * behind OPERATION_ALONE are left out while threads run at once.
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

/* What a record's first byte means. */
enum operation operation_of(uint8_t byte);

/* A first byte that means the operation. */
uint8_t operation_byte(enum operation operation);

/* Does what the record says, in this world. take_turn, end_thread, hand_over: see players.h. */
void operation_run(struct model_world *world, const struct input_record *record);

/* Frees the block, by a way that the number chooses: with its kind, NULL, MEMKIND_DEFAULT ... */
void operations_free(struct model_world *world, struct model_block *block, unsigned way);

/* -- kinds.c ----------------------------------------------------------------------------------- */

/*
 * The kind in a slot, made as the number says where there is none. In hardship that may fail: then
 * it has no handle.
 */
struct model_kind *kinds_get(struct model_world *world, unsigned slot, uint16_t number);

/* Destroys the kind in the slot with all of its blocks. */
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

/* Takes back what the last two have set. */
void questions_reset(struct model_world *world);
