/* SPDX-License-Identifier: BSD-2-Clause */
/* The free space of a file system, and waiting for it to come back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FREE_SPACE_TRIES   600
#define FREE_SPACE_WAIT_US 50000

/* Returns the free blocks of the file system of dir; 0 on error. */
static inline uint64_t free_space_blocks(const char *dir)
{
    struct statvfs fs;

    return statvfs(dir, &fs) == 0 ? fs.f_bfree : 0;
}

/* Returns the free bytes of the file system of dir; 0 on error. */
static inline uint64_t free_space_bytes(const char *dir)
{
    struct statvfs fs;

    return statvfs(dir, &fs) == 0 ? fs.f_bfree * fs.f_frsize : 0;
}

/*
 * Waits, for half a minute at most, until so many blocks are free again. ext4 frees blocks when the
 * last descriptor is closed. XFS inactivates such files in the background.
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
