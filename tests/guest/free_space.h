/* SPDX-License-Identifier: BSD-2-Clause */
/* The free space of a file system, and waiting for it to come back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FREE_SPACE_TRIES   600
#define FREE_SPACE_WAIT_US 50000

/* Blocks of the file system that dir lies in which are free; 0 where it does not tell. */
static inline uint64_t free_space_blocks(const char *dir)
{
    struct statvfs fs;

    return statvfs(dir, &fs) == 0 ? fs.f_bfree : 0;
}

/* The same in bytes. */
static inline uint64_t free_space_bytes(const char *dir)
{
    struct statvfs fs;

    return statvfs(dir, &fs) == 0 ? fs.f_bfree * fs.f_frsize : 0;
}

/*
 * Waits until so many blocks are free again. ext4 has them free when the last descriptor is closed;
 * XFS inactivates such files in the background. The time limit is half a minute.
 */
static inline bool free_space_comes_back(const char *dir, uint64_t blocks)
{
    for (int i = 0; i < FREE_SPACE_TRIES; i++) {
        if (free_space_blocks(dir) >= blocks)
            return true;
        usleep(FREE_SPACE_WAIT_US);
    }
    return false;
}
