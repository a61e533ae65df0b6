/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc around fork(2), and at the end of a thread.
 *
 * jemalloc's handlers for the parent run only where jemalloc has threads of its own, or where the
 * gate cannot be closed; its handler for the child always runs, and forgets the threads that the
 * child does not have.
 */
#pragma once

#include <pthread.h>

/* jemalloc's own handlers, as it passes them to pthread_atfork(3). */
void jemalloc_fork_set_handlers(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/*
 * Around fork(2), in the thread that forks; kinds/fork.c calls these. The first keeps all other
 * threads out of jemalloc until the function for the parent or the child is called.
 */
void jemalloc_fork_before(void);
void jemalloc_fork_in_parent(void);
void jemalloc_fork_in_child(void);

/* Creates the key of the next function in advance. 0 or an error of errno.h. */
int jemalloc_fork_reserve_key(void);

/*
 * The key whose destructor tells jemalloc of the end of a thread. late_key.h has the order of
 * destructors. 0 or an error of errno.h.
 */
int jemalloc_fork_create_key(pthread_key_t *key, void (*destructor)(void *value));
