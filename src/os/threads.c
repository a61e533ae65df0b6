/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments at which no thread of the program runs but the calling one. */
#include "os/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* The links of /proc/self/task are its threads, "." and "..". */
#define LINKS_BESIDE 2

/* What a thread uses of its stack during the moment, and its thread-local data, end within that. */
#define NEAR ((uintptr_t)256 << 10)

static atomic_uint own_threads;
static _Thread_local bool is_own;

void threads_enter(void)
{
    is_own = true;
    atomic_fetch_add(&own_threads, 1);
}

void threads_leave(void)
{
    atomic_fetch_sub(&own_threads, 1);
    is_own = false;
}

void threads_after_fork(void)
{
    atomic_store(&own_threads, is_own ? 1 : 0);
}

/*
 * An own thread that begins or ends is taken for one of the program's for a moment. While this is
 * the program's only thread, no other comes.
 */
static bool is_only_thread(void)
{
    unsigned own = atomic_load(&own_threads);
    struct stat status;
    int saved_errno = errno;
    bool only = !is_own && stat("/proc/self/task", &status) == 0 &&
                status.st_nlink == (nlink_t)LINKS_BESIDE + own + 1;

    errno = saved_errno;
    return only;
}

bool threads_stop(struct threads_stop *stop)
{
    sigset_t all;

    sigfillset(&all);
    if (!is_only_thread() || pthread_sigmask(SIG_SETMASK, &all, &stop->mask) != 0)
        return false;
    stop->stack = (uintptr_t)__builtin_frame_address(0);
    stop->local = (uintptr_t)&errno;
    return true;
}

static bool is_near(uintptr_t address, uintptr_t first, uintptr_t end)
{
    return address + NEAR >= first && address <= end + NEAR;
}

bool threads_use(const struct threads_stop *stop, const char *addr, size_t size)
{
    uintptr_t first = (uintptr_t)addr;

    return is_near(stop->stack, first, first + size) || is_near(stop->local, first, first + size);
}

void threads_continue(const struct threads_stop *stop)
{
    (void)pthread_sigmask(SIG_SETMASK, &stop->mask, NULL);
}
