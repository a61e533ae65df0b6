/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps a signal that accompanies a system call's error from reaching the program. */
#pragma once

#include <signal.h>
#include <stdbool.h>

struct signal_hold {
    sigset_t mask; /* the thread's mask before */
    int number;
    bool was_pending; /* before signal_hold_begin(): the signal belongs to the program */
};

/*
 * Blocks the signal in this thread. For signals that the kernel sends to the calling thread, as
 * SIGXFSZ and SIGPIPE are. 0, or -errno with nothing to end. Nests in reverse order.
 */
int signal_hold_begin(struct signal_hold *hold, int number);

/*
 * Consumes the signal if `raised`, unless one was pending before, and restores the thread's mask.
 * errno is kept.
 */
void signal_hold_end(const struct signal_hold *hold, bool raised);
