/* SPDX-License-Identifier: BSD-2-Clause */
/* Work of a fork's child that is put off until the child uses the library. */
#include "util/fork_child.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "util/fork_generation.h"
#include "util/lock.h"
#include "util/signals_off.h"

atomic_bool fork_child_is_pending FORK_DATA;
unsigned fork_child_intact_since FORK_DATA;

static void (*finish)(void) FORK_DATA;
static pthread_mutex_t lock FORK_DATA = PTHREAD_MUTEX_INITIALIZER;

void fork_child_begin(void (*finish_child)(void))
{
    (void)lock_init(&lock);
    finish = finish_child;
    atomic_store_explicit(&fork_child_is_pending, true, memory_order_relaxed);
}

static void finish_locked(void)
{
    if (!atomic_load(&fork_child_is_pending))
        return;
    finish();
    atomic_store_explicit(&fork_child_is_pending, false, memory_order_release);
}

/* A signal handler that forks must not find the lock held by its own thread. */
void fork_child_finish_now(void)
{
    sigset_t all;
    sigset_t before;

    signals_all(&all);
    bool is_blocked = pthread_sigmask(SIG_BLOCK, &all, &before) == 0;
    lock_acquire(&lock, LOCK_FORK_CHILD);
    finish_locked();
    lock_release(&lock);
    if (is_blocked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}
