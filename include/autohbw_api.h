/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns libautohbw.so on and off: whether new blocks of the process lie in high bandwidth memory;
 * see autohbw(7). Link with -lautohbw. Both functions are thread-safe and affect all threads.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The state at the start of the process. */
void enableAutoHBW(void);

/* New blocks come from libc. Existing blocks in high bandwidth memory stay there. */
void disableAutoHBW(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
