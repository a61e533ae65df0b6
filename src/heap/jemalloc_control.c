/* SPDX-License-Identifier: BSD-2-Clause */
/* Controls of mallctl(3) that are used often. */
#include "heap/jemalloc_control.h"

#include <jemalloc/jemalloc.h>

#include "heap/fork_gate.h"

/* Several threads may translate the name at once: all store the same numbers. */
static int translate(struct jemalloc_control *control, size_t *mib, size_t *parts)
{
    *parts = JEMALLOC_CONTROL_PARTS;
    int err = -jemk_mallctlnametomib(control->name, mib, parts);

    if (err != 0)
        return err;
    for (size_t i = 0; i < *parts; i++)
        atomic_store_explicit(&control->translated[i], mib[i], memory_order_relaxed);
    atomic_store_explicit(&control->parts, *parts, memory_order_release);
    return 0;
}

static int find(struct jemalloc_control *control, size_t *mib, size_t *parts)
{
    *parts = atomic_load_explicit(&control->parts, memory_order_acquire);
    if (*parts == 0)
        return translate(control, mib, parts);
    for (size_t i = 0; i < *parts; i++)
        mib[i] = atomic_load_explicit(&control->translated[i], memory_order_relaxed);
    return 0;
}

int jemalloc_control_call(struct jemalloc_control *control, void *old, size_t *old_size, void *new,
                          size_t new_size)
{
    size_t mib[JEMALLOC_CONTROL_PARTS];
    size_t parts;

    struct fork_gate_thread *self = fork_gate_enter();
    int err = find(control, mib, &parts);
    if (err == 0)
        err = -jemk_mallctlbymib(mib, parts, old, old_size, new, new_size);
    fork_gate_leave(self);
    return err;
}
