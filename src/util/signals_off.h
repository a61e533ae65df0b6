/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps handlers of signals out of the thread where the process has no other.
 *
 * A handler may interrupt malloc and fork. The child goes on with what was interrupted when its
 * handler returns, with all in the state of that moment. That must not be a moment at which the
 * file of a heap and the records of it differ. Nothing happens in a process with several threads:
 * there, a handler that has interrupted malloc cannot fork, as with libc.
 *
 * Signals that report what the thread itself does (SIGSEGV and the like) are not blocked. The calls
 * nest. errno is kept.
 */
#pragma once

#include <signal.h>

void signals_off(void);
void signals_on(void);

/* All signals but those that the thread itself causes. */
void signals_all(sigset_t *set);
