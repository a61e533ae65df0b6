/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers about the kinds and libc's heap, and the memory in which memkind-pmem(1) finds them.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "memkind.h"

#define NUMBERS_DIRECTORY_SIZE 1024

/* Bytes, but for the last two. Without a file, what is about file space is 0. */
struct numbers {
    uint64_t max_size;
    uint64_t file_space, file_space_peak;
    uint64_t resident, active, allocated;
    uint64_t libc_resident, libc_allocated;
    uint64_t fallbacks, refused;
};

/* Of the process: the kinds are there. max_size is 0 where one of them has no limit. */
void numbers_take(struct numbers *numbers);

/* Of one kind, as of the last numbers_take(); those of libc and of requests are 0. */
void numbers_take_kind(struct numbers *numbers, memkind_t kind);

/* -- Published --------------------------------------------------------------------------------- */

/* The nameless memory file; in /proc/PID/fd, "/memfd:" comes before and " (deleted)" behind. */
#define NUMBERS_FILE    "memkind-stats"
#define NUMBERS_VERSION 1u

/*
 * What lies in it. The sequence is odd while numbers change: who reads them looks before and after.
 */
struct numbers_page {
    uint32_t version;
    int32_t process; /* a child has its parent's page, which is not about it */
    atomic_uint sequence;
    struct numbers numbers;
    char directory[NUMBERS_DIRECTORY_SIZE];
};
