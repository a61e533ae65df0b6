/* SPDX-License-Identifier: BSD-2-Clause */
/* Order among the threads of the process, paid for by one of them: membarrier(2). */
#pragma once

#include <stdbool.h>

/* Cheap while there is one thread; without, the first membarrier() does it. Thread-safe. */
void membarrier_prepare(void);

/*
 * All other threads have done what comes before some point of theirs, and nothing that comes after
 * it, as seen from here. Interrupts each processor that runs one. False where the kernel cannot.
 * Thread-safe; errno is undefined then.
 */
bool membarrier(void);
