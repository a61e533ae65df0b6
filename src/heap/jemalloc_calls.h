/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What jemalloc calls instead of functions of libc: the archive's references to mmap and others are
 * renamed to jemk_mmap and so on (cmake/jemalloc/CMakeLists.txt).
 *
 * jemalloc cannot start again after a start that failed in the middle: threads that wait for the
 * start spin for ever. Therefore no call fails during the start. Addresses and the key of
 * thread-specific data are reserved beforehand, and locks (jemalloc_lock.c) need no call that can
 * fail.
 */
#pragma once

/*
 * Reserves what jemalloc's start takes. 0; -ENOMEM or -EAGAIN: nothing is reserved. Before the
 * start, one thread at a time.
 */
int jemalloc_calls_reserve(void);

/* Unmaps what the start has not taken. After the start. */
void jemalloc_calls_release(void);
