/* SPDX-License-Identifier: BSD-2-Clause */
/* pthread_mutex_init(3) that fails on demand. Include once. */
/* WRAP: pthread_mutex_init */
#pragma once

#include <pthread.h>

#include "support/faults.h"

static struct fault mutex_fault;

int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
    return fault_hits(&mutex_fault) ? mutex_fault.error
                                    : __real_pthread_mutex_init(lock, attributes);
}
