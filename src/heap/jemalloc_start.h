/* SPDX-License-Identifier: BSD-2-Clause */
/* What jemalloc reads and calls when it starts, and whether it works on this kernel. */
#pragma once

#include <stdbool.h>

/*
 * Starts jemalloc, when a process gets its first heap. 0; -ENOTSUP, and a line in the log, where
 * jemalloc was built for smaller pages than the kernel's: then all functions of jemalloc_ctl.h and
 * jemalloc_block.h fail; -ENOMEM or -EAGAIN where the process has too few addresses, too little
 * memory or no key of thread-specific data left: then jemalloc is as before, and a later call may
 * succeed. One thread at a time.
 */
int jemalloc_start(void);

/*
 * Whether jemalloc_start() has succeeded. Until then, jemalloc has only the mappings of its start.
 */
bool jemalloc_start_is_done(void);
