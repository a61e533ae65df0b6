/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of one heap on their way between threads: a stack for each size class, each with a lock
 * that nobody waits for. A thread that finds it taken goes to its arena instead.
 */
#pragma once

#include <stddef.h>

struct exchange;
struct heap;

/* NULL where there is no memory. */
struct exchange *exchange_new(void);

/* The blocks in it are left alone. */
void exchange_delete(struct exchange *exchange);

/* In the child of a fork: forgets all blocks. */
void exchange_after_fork(struct exchange *exchange);

/* Takes up to `wanted` blocks of the class; returns how many. */
size_t exchange_take(struct exchange *exchange, unsigned size_class, void **blocks, size_t wanted);

/* Puts in up to `count` of the blocks, the first ones; returns how many. */
size_t exchange_give(struct exchange *exchange, unsigned size_class, void *const *blocks,
                     size_t count);

/* Gives all blocks to the heap's arenas. */
void exchange_empty(struct exchange *exchange, struct heap *heap);

/* The same with those of classes that nobody has given or taken since the last time. */
void exchange_age(struct exchange *exchange, struct heap *heap);

/* Bytes in it at about this time. */
size_t exchange_bytes(struct exchange *exchange);
