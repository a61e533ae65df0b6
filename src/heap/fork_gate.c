/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps threads out of jemalloc while the process forks. */
#include "heap/fork_gate.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "os/membarrier.h"
#include "util/futex.h"
#include "util/late_key.h"
#include "util/lock.h"

_Thread_local struct fork_gate_thread fork_gate_thread;
atomic_bool fork_gate_is_closed;

/* Guards the list. Held while the gate is closed. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;

/* A fork reads one cache line for each listed thread. */
static struct fork_gate_thread *listed;

/* The number of unlisted threads that are inside. */
static atomic_uint unlisted_inside;

/* -- The list ---------------------------------------------------------------------------------- */

static void list(struct fork_gate_thread *thread)
{
    thread->link = &listed;
    thread->next = listed;
    if (listed != NULL)
        listed->link = &thread->next;
    listed = thread;
}

static void add_to_list(struct fork_gate_thread *thread)
{
    lock_acquire(&gate_lock, LOCK_FORK_GATE);
    list(thread);
    lock_release(&gate_lock);
    thread->state = FORK_GATE_LISTED;
}

/*
 * The last destructor of a round at the end of a thread. Destructors of a later round may still
 * enter.
 */
static void take_off_list(void *value)
{
    struct fork_gate_thread *thread = value;

    lock_acquire(&gate_lock, LOCK_FORK_GATE);
    *thread->link = thread->next;
    if (thread->next != NULL)
        thread->next->link = thread->link;
    lock_release(&gate_lock);
    thread->state = FORK_GATE_UNLISTED;
}

static pthread_key_t end_key;
static bool has_end_key;

static void prepare(void)
{
    has_end_key = late_key_create(LATE_KEY_GATE, &end_key, take_off_list) == 0;
    membarrier_prepare();
}

static void register_thread(struct fork_gate_thread *thread)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    /* A malloc that the calls below make may enter the gate again. */
    unsigned depth = thread->depth;
    thread->depth = 0;
    thread->state = FORK_GATE_UNLISTED;
    pthread_once(&once, prepare);
    bool has_destructor = has_end_key && pthread_setspecific(end_key, thread) == 0;
    thread->depth = depth;
    if (has_destructor)
        add_to_list(thread);
}

/* -- Slow paths -------------------------------------------------------------------------------- */

static void wait_until_open(void)
{
    lock_acquire(&gate_lock, LOCK_FORK_GATE);
    lock_release(&gate_lock);
}

static void enter_listed(struct fork_gate_thread *thread)
{
    while (!fork_gate_try(thread)) {
        atomic_store_explicit(&thread->inside, 0, memory_order_release);
        futex_wake(&thread->inside);
        wait_until_open();
    }
}

/* For destructors of threads that the thread sanitizer has already forgotten. */
#define UNSANITIZED __attribute__((noinline, no_sanitize("thread")))

/* Either this thread reads that the gate is closed, or the closing thread reads the new count. */
UNSANITIZED static void leave_unlisted(void)
{
    atomic_fetch_sub(&unlisted_inside, 1);
    if (atomic_load(&fork_gate_is_closed))
        futex_wake(&unlisted_inside);
}

UNSANITIZED static void enter_unlisted(struct fork_gate_thread *thread)
{
    atomic_store_explicit(&thread->inside, 1, memory_order_relaxed);
    atomic_fetch_add(&unlisted_inside, 1);
    while (atomic_load(&fork_gate_is_closed)) {
        leave_unlisted();
        wait_until_open();
        atomic_fetch_add(&unlisted_inside, 1);
    }
}

void fork_gate_enter_slowly(struct fork_gate_thread *thread)
{
    if (thread->state == FORK_GATE_UNREGISTERED)
        register_thread(thread);
    if (thread->state == FORK_GATE_LISTED)
        enter_listed(thread);
    else
        enter_unlisted(thread);
}

void fork_gate_leave_slowly(struct fork_gate_thread *thread)
{
    if (thread->state == FORK_GATE_LISTED) {
        futex_wake(&thread->inside);
        return;
    }
    leave_unlisted();
    atomic_store_explicit(&thread->inside, 0, memory_order_relaxed);
}

/* -- The thread that forks --------------------------------------------------------------------- */

static void wait_for(atomic_uint *word)
{
    unsigned inside;

    while ((inside = atomic_load(word)) != 0)
        futex_wait(word, inside);
}

static void open_and_unlock(void)
{
    atomic_store(&fork_gate_is_closed, false);
    lock_release(&gate_lock);
}

static bool close_locked(void)
{
    atomic_store(&fork_gate_is_closed, true);
    if (!membarrier())
        return false;
    for (struct fork_gate_thread *thread = listed; thread != NULL; thread = thread->next)
        if (thread != &fork_gate_thread)
            wait_for(&thread->inside);
    wait_for(&unlisted_inside);
    return true;
}

bool fork_gate_close(void)
{
    int saved_errno = errno;

    lock_acquire(&gate_lock, LOCK_FORK_GATE);
    bool closed = close_locked();
    if (closed)
        fork_gate_thread.depth++;
    else
        open_and_unlock();
    errno = saved_errno;
    return closed;
}

void fork_gate_open(void)
{
    fork_gate_thread.depth--;
    open_and_unlock();
}

void fork_gate_adopt(void)
{
    /* The other threads are the parent's. Some were counted while they found the gate closed. */
    listed = NULL;
    if (fork_gate_thread.state == FORK_GATE_LISTED)
        list(&fork_gate_thread);
    atomic_store(&unlisted_inside, 0);
    (void)lock_init(&gate_lock);
}
