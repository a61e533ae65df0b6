/* SPDX-License-Identifier: BSD-2-Clause */
/* jemalloc around fork(2), and at the end of a thread. */
#include "heap/jemalloc_fork.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_ctl.h"
#include "heap/jemalloc_start.h"
#include "util/late_key.h"

/* -- Fork -------------------------------------------------------------------------------------- */

/* jemalloc's handlers; NULL until jemalloc has started. */
static struct {
    void (*prepare)(void);
    void (*parent)(void);
    void (*child)(void);
} handlers;

/* Of the current fork. */
static bool is_prepared; /* handlers.prepare() has been called */
static bool gate_is_closed;

static bool needs_prepare(void)
{
    return handlers.prepare != NULL && (!gate_is_closed || jemalloc_ctl_has_background_threads());
}

void jemalloc_fork_before(void)
{
    jemalloc_start_hold();
    jemalloc_ctl_hold_report();
    gate_is_closed = fork_gate_close();
    is_prepared = needs_prepare();
    if (is_prepared)
        handlers.prepare();
}

void jemalloc_fork_in_parent(void)
{
    if (is_prepared)
        handlers.parent();
    if (gate_is_closed)
        fork_gate_open();
    jemalloc_ctl_release_report();
    jemalloc_start_release();
}

void jemalloc_fork_in_child(void)
{
    if (handlers.child != NULL)
        handlers.child();
    if (gate_is_closed)
        fork_gate_open();
    fork_gate_adopt();
    jemalloc_ctl_release_report();
    jemalloc_start_release();
}

void jemalloc_fork_set_handlers(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    handlers.prepare = prepare;
    handlers.parent = parent;
    handlers.child = child;
}

/* -- The end of a thread ----------------------------------------------------------------------- */

static void (*jemalloc_end_thread)(void *value);

/*
 * jemalloc's background threads, which are unregistered, must not wait at the gate: the thread that
 * stops them waits for them inside. jemalloc's own fork handlers stop them before a fork.
 */
static void end_thread(void *value)
{
    bool waits = fork_gate_thread.state != FORK_GATE_UNREGISTERED;
    struct fork_gate_thread *self = waits ? fork_gate_enter() : NULL;

    jemalloc_end_thread(value);
    fork_gate_thread.has_left_jemalloc = true;
    if (waits)
        fork_gate_leave(self);
}

int jemalloc_fork_reserve_key(void)
{
    pthread_key_t key;

    return late_key_create(LATE_KEY_JEMALLOC, &key, end_thread);
}

int jemalloc_fork_create_key(pthread_key_t *key, void (*destructor)(void *value))
{
    jemalloc_end_thread = destructor;
    return late_key_create(LATE_KEY_JEMALLOC, key, end_thread);
}
