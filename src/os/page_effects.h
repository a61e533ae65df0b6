/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program has set for pages by madvise(2), mlock(2) and mbind(2), across a new mapping at
 * the same addresses. Thread-safe; errno is kept.
 *
 * Locked pages are locked as by MLOCK_ONFAULT afterwards: to lock a private writable mapping at
 * once, the kernel copies all of its pages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "os/memory_policy.h"

struct page_effects {
    unsigned effects; /* of enum process_map_effect; 0: not known, nothing is kept */
    bool in_memory;   /* the file keeps the policies and has large pages, see tmpfile_in_memory() */
    struct memory_policy policy;
};

/*
 * Before a mapping is replaced: stores its effects, those of process_map and the policy, and
 * unlocks the pages, so that they do not count against RLIMIT_MEMLOCK twice.
 */
void page_effects_save(struct page_effects *saved, void *addr, size_t size, unsigned effects,
                       bool in_memory);

/* Sets the effects for the range. A call that fails is logged. */
void page_effects_restore(const struct page_effects *saved, void *addr, size_t size);

/* Whether any page of the range is locked, by one system call. */
bool page_effects_are_locked(void *addr, size_t size);

/* Whether the page has a memory policy of its own, by one system call. */
bool page_effects_have_policy(void *addr);

/* How mlockall(2) with MCL_FUTURE locks new mappings. */
enum page_effects_future { FUTURE_UNLOCKED, FUTURE_LOCKED, FUTURE_LOCKED_ON_FAULT };

/* Returns that, from a page of new writable anonymous memory that nothing has used. */
enum page_effects_future page_effects_future_of(void *fresh, size_t page);

/*
 * Where new mappings are locked at once, they are locked on fault from now on, and the other way
 * round after page_effects_lock_at_once(). 0 or -errno (EPERM): nothing is changed.
 */
int page_effects_lock_on_fault(enum page_effects_future future);
void page_effects_lock_at_once(enum page_effects_future future);
