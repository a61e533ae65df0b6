/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys of thread-specific data whose destructors run after those of the program's keys.
 *
 * When a thread ends, the C library goes through all keys by ascending number, and repeats this up
 * to four times (PTHREAD_DESTRUCTOR_ITERATIONS) while destructors set new values. A destructor of
 * the program may call this library in the last round. The library's state for the thread is freed
 * in that round only if the library's key has a higher number.
 *
 * pthread_key_create(3) returns the lowest free number. The library therefore takes the lower
 * numbers while it creates its own keys, and then releases them. A program with more than about 120
 * keys may still have a key of a higher number.
 *
 * In glibc, a thread's first value for a key of 32 or higher takes a call of calloc(3), and its end
 * one of free(3). Data that a thread may set anew after its destructor has run can begin with a key
 * below 32, and take the late key afterwards.
 */
#pragma once

#include <pthread.h>

/* In the order in which the destructors run: each may still use what the later ones free. */
enum late_key {
    LATE_KEY_CACHES,   /* returns the cached blocks to jemalloc */
    LATE_KEY_JEMALLOC, /* enters the fork gate */
    LATE_KEY_GATE,
    LATE_KEYS,
};

/*
 * Stores the key, and sets its destructor as pthread_key_create(3) does. A later call for the same
 * `which` stores the same key. 0 or an error number; after a success, all keys exist. Thread-safe.
 */
int late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *value));

/*
 * Stores the highest free key below 32, with a destructor. 0; EAGAIN where the program has all of
 * these keys. Thread-safe.
 */
int late_key_create_near(pthread_key_t *key, void (*destructor)(void *value));
