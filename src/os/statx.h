/* SPDX-License-Identifier: BSD-2-Clause */
/* statx(2) as in <sys/stat.h> of glibc, also where the C library lacks it: musl before 1.2.5. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#ifndef STATX_TYPE

#    include <linux/stat.h>
#    include <sys/syscall.h>
#    include <unistd.h>

#    ifndef AT_STATX_DONT_SYNC
#        define AT_STATX_DONT_SYNC 0x4000
#    endif

static inline int statx(int dir, const char *path, int flags, unsigned mask, struct statx *status)
{
    return (int)syscall(SYS_statx, dir, path, flags, mask, status);
}

#endif
