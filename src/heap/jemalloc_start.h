/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of jemalloc: its settings, and whether it works on this kernel. */
#pragma once

/*
 * Starts jemalloc, unless it has started. Each of the other functions of jemalloc_ctl.h does so,
 * too; those of jemalloc_block.h may be called after a start that succeeded. 0; -ENOTSUP, and a
 * line in the log, where jemalloc was built for smaller pages than the kernel's; -ENOMEM or -EAGAIN
 * where the process has too few addresses, too little memory or no key of thread-specific data
 * left: then jemalloc is as before, and a later call may succeed. Thread-safe.
 */
int jemalloc_start(void);

/* Around fork(2), in the thread that forks: jemalloc does not start meanwhile. */
void jemalloc_start_hold(void);
void jemalloc_start_release(void);
