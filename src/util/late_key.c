/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of thread-specific data whose destructors run after those of the program's keys. */
#include "util/late_key.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/lock.h"

/*
 * Minimum number of a late key. Creating one costs a temporary key for each free number below, and
 * libc searches each of them from 0 on.
 */
#define LATE_ENOUGH 128u

/* Keys whose values lie in glibc's descriptor of a thread. */
#define NEAR_KEYS 32u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t keys[LATE_KEYS]; /* created together, in ascending order */
static void (*destructors[LATE_KEYS])(void *value);

static void end_caches(void *value)
{
    destructors[LATE_KEY_CACHES](value);
}

static void end_jemalloc(void *value)
{
    destructors[LATE_KEY_JEMALLOC](value);
}

static void end_gate(void *value)
{
    destructors[LATE_KEY_GATE](value);
}

static int create_all(void)
{
    static void (*const ends[LATE_KEYS])(void *) = {end_caches, end_jemalloc, end_gate};

    for (size_t i = 0; i < LATE_KEYS; i++) {
        int err = pthread_key_create(&keys[i], ends[i]);

        while (err != 0 && i > 0)
            pthread_key_delete(keys[--i]);
        if (err != 0)
            return err;
    }
    return 0;
}

/* Where the program has nearly all keys, the late keys get the highest numbers still free. */
static int create_late(void)
{
    pthread_key_t lower[LATE_ENOUGH];
    size_t count = 0;

    while (count < LATE_ENOUGH && pthread_key_create(&lower[count], NULL) == 0)
        if (lower[count++] >= LATE_ENOUGH - 1)
            break;
    int err = create_all();
    while (count > 0) {
        pthread_key_delete(lower[--count]);
        /* create_all() found too few free keys: retry after each temporary key is deleted. */
        if (err != 0)
            err = create_all();
    }
    return err;
}

static int create_locked(void)
{
    static bool done;
    int err = done ? 0 : create_late();

    done = err == 0;
    return err;
}

int late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *value))
{
    lock_acquire(&lock, LOCK_LATE_KEY);
    int err = create_locked();
    if (err == 0) {
        destructors[which] = destructor;
        *key = keys[which];
    }
    lock_release(&lock);
    return err;
}

/* -- Near keys --------------------------------------------------------------------------------- */

/* Creates keys in ascending order up to the last near one. Returns how many. */
static size_t create_ascending(pthread_key_t created[NEAR_KEYS], void (*destructor)(void *value))
{
    size_t count = 0;

    while (count < NEAR_KEYS && pthread_key_create(&created[count], destructor) == 0)
        if (created[count++] >= NEAR_KEYS - 1)
            break;
    return count;
}

int late_key_create_near(pthread_key_t *key, void (*destructor)(void *value))
{
    pthread_key_t created[NEAR_KEYS];
    size_t count = create_ascending(created, destructor);
    int err = EAGAIN;

    while (count > 0) {
        pthread_key_t last = created[--count];

        if (err != 0 && last < NEAR_KEYS) {
            *key = last;
            err = 0;
        } else {
            pthread_key_delete(last);
        }
    }
    return err;
}
