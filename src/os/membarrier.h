/* SPDX-License-Identifier: BSD-2-Clause */
/* membarrier(2): a barrier that one thread makes for all threads of the process. */
#pragma once

#include <stdbool.h>

/*
 * Registers the process with the kernel. Cheap while the process has one thread. Without this call,
 * the first membarrier() registers the process. Thread-safe.
 */
void membarrier_prepare(void);

/*
 * Acts as a full memory barrier in each thread of the process, at some point between call and
 * return. Interrupts each processor that runs one of the threads. False, and errno is undefined,
 * where the kernel cannot. Thread-safe.
 */
bool membarrier(void);
