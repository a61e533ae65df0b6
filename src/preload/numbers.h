/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of the kinds and libc's heap, and the memory in which memkind-pmem(1) finds them. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "memkind.h"

#define NUMBERS_DIRECTORY_SIZE 1024

/* Bytes, except the last two. Without a file, the figures of file space are 0. */
struct numbers {
    uint64_t max_size;
    uint64_t file_space, file_space_peak;
    uint64_t resident, active, allocated;
    uint64_t libc_resident, libc_allocated;
    uint64_t fallbacks, refused;
};

/*
 * Reads the figures of the process. The kinds must exist. max_size is 0 if one of them has no
 * limit.
 */
void numbers_take(struct numbers *numbers);

/*
 * Returns the figures of one kind, as of the last numbers_take(). Those of libc and of requests are
 * 0.
 */
void numbers_take_kind(struct numbers *numbers, memkind_t kind);

/* -- Published --------------------------------------------------------------------------------- */

/*
 * The nameless memory file. In /proc/PID/fd, "/memfd:" precedes the name and " (deleted)" follows.
 */
#define NUMBERS_FILE    "memkind-stats"
#define NUMBERS_VERSION 1u

/*
 * The contents of the file. The sequence is odd while numbers change: readers compare it before and
 * after.
 */
struct numbers_page {
    uint32_t version;
    int32_t process; /* a child has its parent's page, which does not describe the child */
    atomic_uint sequence;
    struct numbers numbers;
    char directory[NUMBERS_DIRECTORY_SIZE];
};
