/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed sequence of calls of nearly all of the public interface, on two kinds in one directory.
 *
 * Whatever fails below the library, each call has a result that its manual page knows, blocks keep
 * their contents, and the account of file space is true; else the process prints what is wrong and
 * exits with WORKLOAD_FAILED. Where nothing fails, everything must succeed as well.
 */
#pragma once

#include <memkind.h>

#include <stdbool.h>
#include <stddef.h>

#define WORKLOAD_FAILED 1
#define WORKLOAD_KINDS  2
#define WORKLOAD_BLOCKS 20

struct workload_block {
    char *address; /* NULL: none */
    size_t size;
};

/* The kinds, NULL while they are not made, with their blocks. */
struct workload {
    const char *dir;
    bool may_fail;                /* calls may be refused what they ask for */
    unsigned long *seen_in_child; /* by call: what workload_fork() is to note, in shared memory */
    memkind_t kinds[WORKLOAD_KINDS];
    struct workload_block blocks[WORKLOAD_KINDS][WORKLOAD_BLOCKS];
};

/* Makes the kinds that are missing: a CONSERVATIVE one without a limit, and one with a max_size. */
void workload_open(struct workload *workload);

/* Allocates, resizes, frees, from two threads, and asks for everything that can be asked. */
void workload_use(struct workload *workload);

/*
 * Forks, with few blocks: the first kind is copied, the second shared. Whatever fails in the child,
 * it can go on when nothing does.
 */
void workload_fork(struct workload *workload);

/* Frees all blocks. */
void workload_empty(struct workload *workload);

/* Destroys the kinds. */
void workload_close(struct workload *workload);

/* Prints what is wrong, and exits. */
_Noreturn void workload_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
