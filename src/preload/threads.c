/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthread_create(3): memory that libc and the loader allocate for a new thread comes from libc's
 * heap, as all memory that libc allocates for itself. libmemkind starts threads of its own within a
 * call of free, when the kind may be full.
 */
#include <pthread.h>

#include "preload/preload.h"

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument)
{
    __typeof__(pthread_create) *next = PRELOAD_BEHIND(pthread_create);
    unsigned char before = preload_self.state;

    preload_set_thread(PRELOAD_BUSY);
    int err = next(thread, attributes, function, argument);
    preload_set_thread(before);
    return err;
}
