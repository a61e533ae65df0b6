/* SPDX-License-Identifier: BSD-2-Clause */
/* membarrier(2): a barrier that one thread makes for all threads of the process. */
#pragma once

#include <stdbool.h>

/* Registers the process, which is cheap while there is one thread; else the first membarrier()
 * does. Thread-safe. */
void membarrier_prepare(void);

/*
 * Acts as a full memory barrier in each thread of the process, at some point between call and
 * return. Interrupts each processor that runs one of the threads. False, and errno is undefined,
 * where the kernel cannot. Thread-safe.
 */
bool membarrier(void);
