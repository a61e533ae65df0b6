/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether libautohbw.so puts new blocks of the process into high bandwidth memory: autohbw(7). Link
 * with -lautohbw. Both functions are thread-safe and have their effect on all threads.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* As at the start of the process. */
void enableAutoHBW(void);

/* New blocks are libc's; those that are in high bandwidth memory stay there. */
void disableAutoHBW(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
