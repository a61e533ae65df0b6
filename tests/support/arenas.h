/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts jemalloc's arenas, and makes their creation or the setting of their decay time fail.
 * Include once. Thread-safe while no fault is set.
 */
/* WRAP: jemalloc_ctl_arena_create jemalloc_ctl_arena_destroy jemalloc_ctl_arena_set_decay */
#pragma once

#include <stdatomic.h>

#include "heap/jemalloc_ctl.h"
#include "support/faults.h"

static atomic_int arenas_alive;
static struct fault create_fault;
static struct fault decay_fault;

int __real_jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                                     unsigned *arena);
int __wrap_jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                                     unsigned *arena);
void __real_jemalloc_ctl_arena_destroy(unsigned arena);
void __wrap_jemalloc_ctl_arena_destroy(unsigned arena);
int __real_jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms);
int __wrap_jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms);

static inline void arenas_reset_faults(void)
{
    create_fault = decay_fault = (struct fault){0};
}

int __wrap_jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                                     unsigned *arena)
{
    if (create_fault.times != 0 && fault_hits(&create_fault))
        return -create_fault.error;
    int err = __real_jemalloc_ctl_arena_create(hooks, metadata_hooks, arena);
    arenas_alive += err == 0;
    return err;
}

void __wrap_jemalloc_ctl_arena_destroy(unsigned arena)
{
    arenas_alive--;
    __real_jemalloc_ctl_arena_destroy(arena);
}

int __wrap_jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms)
{
    return decay_fault.times != 0 && fault_hits(&decay_fault)
               ? -decay_fault.error
               : __real_jemalloc_ctl_arena_set_decay(arena, ms);
}
