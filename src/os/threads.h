/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moments at which no thread of the program runs but the calling one.
 *
 * The library's own threads go on: they write to no block of the program's.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread is the library's own, from now on or no longer. */
void threads_enter(void);
void threads_leave(void);

/* In the child of a fork, which has none of them. */
void threads_after_fork(void);

struct threads_stop {
    sigset_t mask;   /* of the calling thread, as it was */
    uintptr_t stack; /* an address on its stack */
    uintptr_t local; /* and one of its thread-local data */
};

/*
 * Whether no other thread of the program can run until threads_continue(), nor a signal handler on
 * this one. False, and nothing has changed, where there is another.
 */
bool threads_stop(struct threads_stop *stop);
void threads_continue(const struct threads_stop *stop);

/*
 * Whether the range has what is written to even now: the stack or the thread-local data of one of
 * the threads, which a program may have taken from malloc(3).
 */
bool threads_use(const struct threads_stop *stop, const char *addr, size_t size);
