/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps handlers of signals out of the thread where the process has no other. */
#include "util/signals_off.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/alone.h"

/* Written in a process with one thread only. */
static unsigned depth;
static bool is_blocked;
static sigset_t before;

void signals_all(sigset_t *set)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

    sigfillset(set);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        sigdelset(set, own[i]);
}

/* A handler that runs before the mask is set leaves the variables as it found them. */
void signals_off(void)
{
    sigset_t all;

    if (!process_is_alone())
        return;
    signals_all(&all);
    if (depth == 0)
        is_blocked = pthread_sigmask(SIG_BLOCK, &all, &before) == 0;
    depth++;
}

void signals_on(void)
{
    if (depth != 0 && --depth == 0 && is_blocked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}
