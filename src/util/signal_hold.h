/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps a signal that the kernel sends along with a system call's error from reaching the program.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

struct signal_hold {
    sigset_t mask; /* of the thread, as it was before */
    int number;
    bool was_pending; /* before; so it is not ours to take */
};

/*
 * Blocks the signal in this thread: one that the kernel sends to the thread that makes a call, as
 * SIGXFSZ and SIGPIPE are. 0, or -errno with nothing to end. Nests in reverse order.
 */
int signal_hold_begin(struct signal_hold *hold, int number);

/*
 * Takes the signal away if the call's error tells that it was raised (a signal that was pending
 * before stays), and restores the thread's mask. errno is kept.
 */
void signal_hold_end(const struct signal_hold *hold, bool raised);
