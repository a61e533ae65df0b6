/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed sequence of calls of nearly all of the public interface, on two kinds in one directory.
 *
 * Whatever fails below the library, each call returns a documented result, blocks keep their
 * contents, and the account of file space is true. Otherwise the process prints what is wrong and
 * exits with WORKLOAD_FAILED. If nothing fails, every call must succeed.
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

/* The kinds with their blocks. NULL: the kind does not exist. */
struct workload {
    const char *dir;
    bool may_fail;      /* true: requests may be refused */
    bool may_be_frozen; /* true: the first kind's file may hold more than the kind needs */
    unsigned long
        *seen_in_child; /* by call, in shared memory: the counts of workload_fork()'s child */
    memkind_t kinds[WORKLOAD_KINDS];
    struct workload_block blocks[WORKLOAD_KINDS][WORKLOAD_BLOCKS];
};

/* Creates the missing kinds: a CONSERVATIVE one without a limit, and one with a max_size. */
void workload_open(struct workload *workload);

/* Allocates, resizes and frees from two threads, and calls every query. */
void workload_use(struct workload *workload);

/*
 * Forks with few blocks: the first kind is copied, the second shared. If calls fail in the child,
 * the child must be able to go on once they no longer fail.
 */
void workload_fork(struct workload *workload);

void workload_empty(struct workload *workload);

void workload_close(struct workload *workload);

/* Prints the message and exits with WORKLOAD_FAILED. */
_Noreturn void workload_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
