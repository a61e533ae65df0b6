/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that releases freed memory while the program makes no calls. */
#include "heap/idle_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "heap/heap_list.h"
#include "heap/heap_unused.h"
#include "os/threads.h"
#include "util/clock.h"
#include "util/env.h"
#include "util/errno_text.h"
#include "util/log.h"

#define CHECK_EVERY_SECONDS 1
#define CHECKS_BEFORE_END   5u
#define RETRY_AFTER_SECONDS 10 /* where it could not be started */
/*
 * How long chunks are thawed in each check, with pauses. In the rest of a check, system calls whose
 * timeouts begin anew with each piece can time out.
 */
#define THAW_MS       500
#define THAW_PAUSE_NS 8000000L

#define STACK_SIZE ((size_t)256 << 10)

atomic_bool idle_thread_running;
static bool forbidden; /* written before there is a heap */

/* -- The thread -------------------------------------------------------------------------------- */

/*
 * Whether the main thread has called pthread_exit(3): then the process ends with its last thread,
 * and must not wait for this one. The main thread then has no executable in /proc; other threads
 * have. This opens no descriptor, whose number the program may expect to be free.
 */
static bool main_thread_has_ended(void)
{
    char byte;

    return readlink("/proc/self/exe", &byte, 1) < 0 && errno == ENOENT &&
           readlink("/proc/thread-self/exe", &byte, 1) > 0;
}

static bool maintain(struct heap *heap, void *any)
{
    if (heap_maintain(heap) || heap_has_frozen(heap))
        *(bool *)any = true;
    return false;
}

static bool thaw(struct heap *heap, void *any)
{
    if (heap_thaw(heap))
        *(bool *)any = true;
    return false;
}

static bool is_frozen(struct heap *heap, void *argument)
{
    (void)argument;
    return heap_has_frozen(heap);
}

static bool needs_thread(struct heap *heap, void *argument)
{
    return heap_has_much_unused(heap) || is_frozen(heap, argument);
}

static void thaw_heaps(void)
{
    const struct timespec pause = {.tv_nsec = THAW_PAUSE_NS};
    int64_t end = clock_coarse_ms() + THAW_MS;
    bool any = true;

    while (any && clock_coarse_ms() < end) {
        any = false;
        heap_list_visit(thaw, &any);
        if (any)
            nanosleep(&pause, NULL);
    }
}

/* Maintains heaps until several checks have found nothing to do, or the main thread has ended. */
static void maintain_heaps(void)
{
    const struct timespec pause = {.tv_sec = CHECK_EVERY_SECONDS};
    unsigned in_vain = 0;

    while (in_vain < CHECKS_BEFORE_END && !main_thread_has_ended()) {
        bool any = false;

        nanosleep(&pause, NULL);
        thaw_heaps();
        heap_list_visit(maintain, &any);
        in_vain = any ? 0 : in_vain + 1;
    }
}

static void *run(void *argument)
{
    prctl(PR_SET_NAME, "memkind-idle");
    threads_enter();
    do {
        maintain_heaps();
        atomic_store(&idle_thread_running, false);
        /* A thread that freed a moment ago may have read that this thread runs. */
    } while (!main_thread_has_ended() && heap_list_visit(needs_thread, NULL) &&
             !atomic_exchange(&idle_thread_running, true));
    threads_leave();
    return argument;
}

/* -- Starting ---------------------------------------------------------------------------------- */

static int create(size_t stack_size)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int err = pthread_attr_init(&attributes);

    if (err != 0)
        return err;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack_size != 0)
        pthread_attr_setstacksize(&attributes, stack_size);
    err = pthread_create(&thread, &attributes, run, NULL);
    pthread_attr_destroy(&attributes);
    return err;
}

/*
 * Blocks all signals meanwhile. The new thread inherits the mask, so the program's handlers never
 * run in that thread.
 */
static int create_without_signals(void)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = create(STACK_SIZE);
    /* Libraries with much thread-local data need a larger stack. */
    if (err == EINVAL)
        err = create(0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static void start(void)
{
    static atomic_long not_before;

    if (clock_coarse_seconds() < atomic_load(&not_before) || main_thread_has_ended() ||
        atomic_exchange(&idle_thread_running, true))
        return;
    int err = create_without_signals();
    if (err == 0)
        return;
    log_error("no thread gives memory back while the process sleeps (%s)", errno_text(err));
    atomic_store(&not_before, clock_coarse_seconds() + RETRY_AFTER_SECONDS);
    atomic_store(&idle_thread_running, false);
}

void idle_thread_start(void)
{
    int saved_errno = errno;

    start();
    errno = saved_errno;
}

static void configure(void)
{
    bool wanted = true;

    if (env_flag("MEMKIND_IDLE_THREAD", &wanted) == -EINVAL)
        log_error("MEMKIND_IDLE_THREAD is neither 0 nor 1 and is ignored");
    forbidden = !wanted;
    atomic_store(&idle_thread_running, forbidden);
}

void idle_thread_configure(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, configure);
}

void idle_thread_after_fork_in_parent(void)
{
    if (!idle_thread_is_running() && heap_list_visit(is_frozen, NULL) && threads_are_several())
        idle_thread_start();
}

void idle_thread_after_fork(void)
{
    atomic_store(&idle_thread_running, forbidden);
}
