/* SPDX-License-Identifier: BSD-2-Clause */
/* fstatvfs(3) that fails on demand, or returns what a test sets. Include once. */
/* WRAP: fstatvfs */
#pragma once

#include <stddef.h>
#include <sys/statvfs.h>

#include "support/faults.h"

static struct fault fstatvfs_fault;
static const struct statvfs *fake_statvfs; /* NULL: the file system's own */

int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    if (fault_hits(&fstatvfs_fault))
        return -1;
    if (fake_statvfs == NULL)
        return __real_fstatvfs(fd, fs);
    *fs = *fake_statvfs;
    return 0;
}
