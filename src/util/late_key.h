/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys of thread-specific data whose destructors run after those of the program's keys.
 *
 * When a thread ends, the C library goes through all keys in the order of their numbers, up to four
 * times (PTHREAD_DESTRUCTOR_ITERATIONS), as long as a destructor has set values anew. A destructor
 * of the program's may use this library in the last round, and even for the first time. What the
 * library then has for the thread is taken away in the same round only if its own key comes later,
 * so its keys have high numbers: the lower ones are taken while these are, and given back. New keys
 * get the lowest free number. The promise ends for a program with more than some 250 keys at once.
 */
#pragma once

#include <pthread.h>

/* In the order in which their destructors run: each may call what those behind it look after. */
enum late_key {
    LATE_KEY_CACHES,   /* give their blocks back to jemalloc */
    LATE_KEY_JEMALLOC, /* enters the fork gate */
    LATE_KEY_GATE,
    LATE_KEYS,
};

/*
 * Stores the key, whose destructor is called as by pthread_key_create(3). For each key once. 0 or
 * an error number, as from there. Thread-safe.
 */
int late_key_create(enum late_key which, pthread_key_t *key, void (*destructor)(void *value));
