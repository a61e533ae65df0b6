/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds that stop to serve, because a filter of system calls is about to be installed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool withdraw_done __attribute__((visibility("hidden")));

/*
 * Returns whether libc serves all requests, and blocks of the kinds that are freed stay allocated.
 */
static inline bool preload_is_withdrawn(void)
{
    return __builtin_expect(atomic_load_explicit(&withdraw_done, memory_order_relaxed), 0);
}

/* The caller is in no call of libmemkind. Blocks in other threads' caches are not freed. */
void preload_withdraw(void);

/* Undoes preload_withdraw(). */
void preload_return(void);
