/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps programs from closing the descriptor of the heap's file. Daemons and the like close all
 * that there may be, and what they open next would get its number: the heap would grow into one of
 * their files. To the program, the descriptor is not there.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memkind/internal/memkind_pmem.h"
#include "preload/preload.h"

#define EXPORT __attribute__((visibility("default")))

/* libc exports these too. */
extern int __close(int fd);
extern int __dup2(int fd, int wanted);

/* Not in every libc's headers. */
EXPORT int close_range(unsigned first, unsigned last, int flags);
EXPORT void closefrom(int first);

/* The descriptor, or -1. In the child of a fork it is another one from the first allocation on. */
static int own_descriptor(void)
{
    /* libmemkind closes what it has to. */
    if (preload.kind == NULL || preload_thread == PRELOAD_BUSY)
        return -1;
    return ((const struct memkind_pmem *)preload.kind->priv)->fd;
}

static bool is_own(int fd)
{
    return fd >= 0 && fd == own_descriptor();
}

EXPORT int close(int fd)
{
    if (__builtin_expect(is_own(fd), 0)) {
        errno = EBADF;
        return -1;
    }
    return __close(fd);
}

/* Whoever wants just this number cannot have it. */
EXPORT int dup2(int fd, int wanted)
{
    if (is_own(wanted)) {
        errno = EBUSY;
        return -1;
    }
    return __dup2(fd, wanted);
}

EXPORT int dup3(int fd, int wanted, int flags)
{
    if (is_own(wanted)) {
        errno = EBUSY;
        return -1;
    }
    return (int)syscall(SYS_dup3, fd, wanted, flags);
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    unsigned own = (unsigned)own_descriptor();
    long result = 0;

    if (own > INT_MAX || own < first || own > last)
        return (int)syscall(SYS_close_range, first, last, flags);
    if (own > first)
        result = syscall(SYS_close_range, first, own - 1, flags);
    if (result == 0 && own < last)
        result = syscall(SYS_close_range, own + 1, last, flags);
    return (int)result;
}

EXPORT void closefrom(int first)
{
    unsigned from = first > 0 ? (unsigned)first : 0;

    if (close_range(from, UINT_MAX, 0) == 0)
        return;
    /* A kernel that is older than the call. */
    long limit = sysconf(_SC_OPEN_MAX);
    for (long fd = from; fd < limit; fd++)
        close((int)fd);
}
