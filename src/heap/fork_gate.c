/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps threads out of jemalloc while the process forks. */
#include "heap/fork_gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/membarrier.h"

_Thread_local struct fork_gate_thread fork_gate_thread;
atomic_bool fork_gate_is_closed;

/* Guards the list, and is held while the gate is closed. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;

/* A fork looks at each: with 1,000 threads, at 1,000 cache lines. */
static struct fork_gate_thread *listed;

/* How many of the others are inside. */
static atomic_uint unlisted_inside;

static void futex(atomic_uint *word, int operation, unsigned value)
{
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

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
    pthread_mutex_lock(&gate_lock);
    list(thread);
    pthread_mutex_unlock(&gate_lock);
    thread->state = FORK_GATE_LISTED;
}

/* When the thread ends. Destructors that run later may still go in. */
static void take_off_list(void *value)
{
    struct fork_gate_thread *thread = value;

    pthread_mutex_lock(&gate_lock);
    *thread->link = thread->next;
    if (thread->next != NULL)
        thread->next->link = thread->link;
    pthread_mutex_unlock(&gate_lock);
    thread->state = FORK_GATE_UNLISTED;
}

static pthread_key_t end_key;
static bool has_end_key;

static void prepare(void)
{
    has_end_key = pthread_key_create(&end_key, take_off_list) == 0;
    membarrier_prepare();
}

static void get_known(struct fork_gate_thread *thread)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    /* A malloc that these may call can come back here. */
    unsigned depth = thread->depth;
    thread->depth = 0;
    thread->state = FORK_GATE_UNLISTED;
    pthread_once(&once, prepare);
    bool is_told = has_end_key && pthread_setspecific(end_key, thread) == 0;
    thread->depth = depth;
    if (is_told)
        add_to_list(thread);
}

/* -- The others -------------------------------------------------------------------------------- */

static void come_in(struct fork_gate_thread *thread)
{
    if (thread->state == FORK_GATE_LISTED) {
        atomic_store_explicit(&thread->inside, 1, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
    } else {
        atomic_fetch_add(&unlisted_inside, 1);
    }
}

/* Either this sees that the gate is closed, or whoever closes it sees that this one is outside. */
static void go_out(struct fork_gate_thread *thread)
{
    atomic_uint *word = &unlisted_inside;

    if (thread->state == FORK_GATE_LISTED) {
        word = &thread->inside;
        atomic_store_explicit(word, 0, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
    } else {
        atomic_fetch_sub(word, 1);
    }
    if (atomic_load(&fork_gate_is_closed))
        futex(word, FUTEX_WAKE, 1);
}

void fork_gate_enter_slowly(struct fork_gate_thread *thread)
{
    if (thread->state == FORK_GATE_STRANGER)
        get_known(thread);
    come_in(thread);
    while (atomic_load(&fork_gate_is_closed)) {
        go_out(thread);
        pthread_mutex_lock(&gate_lock);
        pthread_mutex_unlock(&gate_lock);
        come_in(thread);
    }
}

void fork_gate_leave_slowly(struct fork_gate_thread *thread)
{
    go_out(thread);
}

/* -- The thread that forks --------------------------------------------------------------------- */

static void wait_for(atomic_uint *word)
{
    unsigned inside;

    while ((inside = atomic_load(word)) != 0)
        futex(word, FUTEX_WAIT, inside);
}

static void open_and_unlock(void)
{
    atomic_store(&fork_gate_is_closed, false);
    pthread_mutex_unlock(&gate_lock);
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

    pthread_mutex_lock(&gate_lock);
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
    /* The others are gone; some were counted while they found the gate closed. */
    listed = NULL;
    if (fork_gate_thread.state == FORK_GATE_LISTED)
        list(&fork_gate_thread);
    atomic_store(&unlisted_inside, 0);
    pthread_mutex_init(&gate_lock, NULL);
}
