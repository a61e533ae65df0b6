/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's locks and conditions.
 *
 * jemalloc acquires a lock for each block that it hands out or takes back, mostly without
 * contention. libc's functions first find out which of its many types of lock they have been given:
 * 58 instructions for a lock and an unlock, where these take 15. In a process with one thread they
 * need no atomic read-modify-write either.
 *
 * The first word of a pthread_mutex_t is the lock: UNLOCKED, LOCKED, or CONTENDED while threads may
 * be waiting. All initializers of libc's leave it 0. The first word of a pthread_cond_t counts the
 * signals.
 */
#include "heap/jemalloc_lock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "util/alone.h"
#include "util/futex.h"

enum { UNLOCKED, LOCKED, CONTENDED };

static atomic_uint *word_of(void *object)
{
    return object;
}

/* -- Locks ------------------------------------------------------------------------------------- */

/*
 * jemalloc publishes an arena and its locks by atomic stores. The thread sanitizer does not see
 * these stores, and would report the initialization as a race.
 */
__attribute__((no_sanitize("thread"))) int
jemk_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    atomic_init(word_of(mutex), UNLOCKED);
    return 0;
}

static bool try_alone(atomic_uint *word)
{
    if (atomic_load_explicit(word, memory_order_relaxed) != UNLOCKED)
        return false;
    atomic_store_explicit(word, LOCKED, memory_order_relaxed);
    return true;
}

static bool try(atomic_uint *word)
{
    unsigned expected = UNLOCKED;

    return atomic_compare_exchange_strong_explicit(word, &expected, LOCKED, memory_order_acquire,
                                                   memory_order_relaxed);
}

int jemk_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    atomic_uint *word = word_of(mutex);
    bool done = process_is_alone() ? try_alone(word) : try(word);

    return done ? 0 : EBUSY;
}

int jemk_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    atomic_uint *word = word_of(mutex);

    if (try(word))
        return 0;
    while (atomic_exchange_explicit(word, CONTENDED, memory_order_acquire) != UNLOCKED)
        futex_wait(word, CONTENDED);
    return 0;
}

int jemk_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    atomic_uint *word = word_of(mutex);

    if (process_is_alone())
        atomic_store_explicit(word, UNLOCKED, memory_order_relaxed);
    else if (atomic_exchange_explicit(word, UNLOCKED, memory_order_release) == CONTENDED)
        futex_wake(word);
    return 0;
}

/* -- Conditions, of background threads --------------------------------------------------------- */

int jemk_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    (void)attributes;
    atomic_init(word_of(cond), 0);
    return 0;
}

int jemk_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    unsigned signals = atomic_load(word_of(cond));

    (void)jemk_pthread_mutex_unlock(mutex);
    futex_wait(word_of(cond), signals);
    return jemk_pthread_mutex_lock(mutex);
}

int jemk_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                const struct timespec *until)
{
    unsigned signals = atomic_load(word_of(cond));

    (void)jemk_pthread_mutex_unlock(mutex);
    int err = futex_wait_until(word_of(cond), signals, until);
    (void)jemk_pthread_mutex_lock(mutex);
    return err == -ETIMEDOUT ? ETIMEDOUT : 0;
}

int jemk_pthread_cond_signal(pthread_cond_t *cond)
{
    atomic_fetch_add(word_of(cond), 1);
    futex_wake(word_of(cond));
    return 0;
}
