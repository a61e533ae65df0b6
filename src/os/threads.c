/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments at which no thread of the program runs but the calling one. */
#include "os/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/thread_trace.h"

/* The links of /proc/self/task are its threads, "." and "..". */
#define LINKS_BESIDE 2

/*
 * Bytes around an address of the calling thread's stack, or of its thread-local data, that the
 * thread may write to during the moment.
 */
#define NEAR ((uintptr_t)256 << 10)

/* The library's own threads. */
#define OWN_MOST 8

static atomic_int own_threads[OWN_MOST]; /* their ids; 0: none */
static _Thread_local bool is_own;

static pid_t own_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

void threads_enter(void)
{
    is_own = true;
    for (size_t i = 0; i < OWN_MOST; i++) {
        int none = 0;

        if (atomic_compare_exchange_strong(&own_threads[i], &none, own_id()))
            return;
    }
}

void threads_leave(void)
{
    for (size_t i = 0; i < OWN_MOST; i++) {
        int id = own_id();

        atomic_compare_exchange_strong(&own_threads[i], &id, 0);
    }
    is_own = false;
}

void threads_configure(void)
{
    thread_trace_configure();
}

void threads_after_fork(void)
{
    for (size_t i = 0; i < OWN_MOST; i++)
        atomic_store(&own_threads[i], 0);
    if (is_own)
        threads_enter();
    thread_trace_after_fork();
}

static bool is_librarys(pid_t thread)
{
    for (size_t i = 0; i < OWN_MOST; i++)
        if (atomic_load(&own_threads[i]) == thread)
            return true;
    return false;
}

/*
 * A thread of the library that begins or ends counts as the program's for a moment. If the result
 * is true it stays true, because only the calling thread could start another.
 */
static bool is_only_thread(void)
{
    struct stat status;
    nlink_t own = 0;

    for (size_t i = 0; i < OWN_MOST; i++)
        own += atomic_load(&own_threads[i]) != 0;
    return !is_own && stat("/proc/self/task", &status) == 0 &&
           status.st_nlink == LINKS_BESIDE + own + 1;
}

bool threads_are_several(void)
{
    int saved_errno = errno;
    bool several = !is_only_thread();

    errno = saved_errno;
    return several;
}

/* -- The moment -------------------------------------------------------------------------------- */

bool threads_stop(struct threads_stop *stop, enum threads_others others)
{
    sigset_t all;
    int saved_errno = errno;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &stop->mask) != 0)
        return false;
    stop->stack = (uintptr_t)__builtin_frame_address(0);
    stop->local = (uintptr_t)&errno;
    stop->others = others != THREADS_TRUSTED && !is_only_thread();
    bool stopped = !stop->others || (others == THREADS_STOP && thread_trace_stop(is_librarys));
    if (!stopped)
        (void)pthread_sigmask(SIG_SETMASK, &stop->mask, NULL);
    errno = saved_errno;
    return stopped;
}

int threads_call(const struct threads_stop *stop, int (*call)(void *arg), void *arg)
{
    int saved_errno = errno;
    int result = stop->others ? thread_trace_call(call, arg) : call(arg);

    errno = saved_errno;
    return result;
}

void threads_continue(const struct threads_stop *stop)
{
    int saved_errno = errno;

    if (stop->others)
        thread_trace_continue();
    (void)pthread_sigmask(SIG_SETMASK, &stop->mask, NULL);
    errno = saved_errno;
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
