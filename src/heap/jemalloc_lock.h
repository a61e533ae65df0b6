/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's locks and conditions: what jemalloc calls instead of libc's functions of these names,
 * with their contracts. Attributes are ignored. Only trylock (EBUSY) and timedwait (ETIMEDOUT) can
 * fail. errno is kept.
 */
#pragma once

#include <pthread.h>
#include <time.h>

int jemk_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int jemk_pthread_mutex_trylock(pthread_mutex_t *mutex);
int jemk_pthread_mutex_lock(pthread_mutex_t *mutex);
int jemk_pthread_mutex_unlock(pthread_mutex_t *mutex);
int jemk_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int jemk_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int jemk_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                const struct timespec *until);
int jemk_pthread_cond_signal(pthread_cond_t *cond);
