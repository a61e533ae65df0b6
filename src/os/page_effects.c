/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program has set for pages, across a new mapping. */
#include "os/page_effects.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/process_maps.h"
#include "util/errno_text.h"
#include "util/log.h"

/*
 * The calls that lock are made without libc: sanitizers replace its functions by others without
 * effect, and an old one has no mlock2().
 */
#define ON_FAULT 1

/* -- Saving and restoring ---------------------------------------------------------------------- */

void page_effects_save(struct page_effects *saved, void *addr, size_t size, unsigned effects,
                       bool in_memory)
{
    int saved_errno = errno;

    saved->effects = effects;
    saved->in_memory = in_memory;
    saved->policy.mode = MPOL_DEFAULT;
    if (effects != 0 && !in_memory)
        (void)memory_policy_of(addr, &saved->policy);
    if ((effects & PROCESS_MAP_LOCKED) != 0)
        (void)syscall(SYS_munlock, addr, size);
    errno = saved_errno;
}

static void check(const char *call, bool failed)
{
    if (failed)
        log_error("an effect of %s on blocks is lost at a fork (%s)", call, errno_text(errno));
}

static void restore_advice(const struct page_effects *saved, void *addr, size_t size)
{
    unsigned effects = saved->effects;
    int order = (effects & PROCESS_MAP_RANDOM) != 0       ? MADV_RANDOM
                : (effects & PROCESS_MAP_SEQUENTIAL) != 0 ? MADV_SEQUENTIAL
                                                          : MADV_NORMAL;
    bool failed = madvise(addr, size, order) != 0;

    if ((effects & PROCESS_MAP_NO_DUMP) != 0)
        failed |= madvise(addr, size, MADV_DONTDUMP) != 0;
    if ((effects & PROCESS_MAP_NO_FORK) != 0)
        failed |= madvise(addr, size, MADV_DONTFORK) != 0;
    if ((effects & PROCESS_MAP_NO_HUGE_PAGES) != 0)
        failed |= madvise(addr, size, MADV_NOHUGEPAGE) != 0;
    /* In memory, the library's own advice cannot be told from the program's. */
    if ((effects & PROCESS_MAP_HUGE_PAGES) != 0 && !saved->in_memory)
        failed |= madvise(addr, size, MADV_HUGEPAGE) != 0;
    check("madvise(2)", failed);
}

static void restore_lock(const struct page_effects *saved, void *addr, size_t size)
{
    if ((saved->effects & PROCESS_MAP_LOCKED) == 0)
        (void)syscall(SYS_munlock, addr, size);
    else
        check("mlock(2)", syscall(SYS_mlock2, addr, size, ON_FAULT) != 0);
}

static void restore_policy(const struct page_effects *saved, void *addr, size_t size)
{
    const struct memory_policy *policy = &saved->policy;

    if (policy->mode != MPOL_DEFAULT)
        check("mbind(2)", memory_policy_bind(addr, size, policy->mode, policy->nodes,
                                             MEMORY_POLICY_NODES) != 0);
}

void page_effects_restore(const struct page_effects *saved, void *addr, size_t size)
{
    int saved_errno = errno;

    if (saved->effects != 0) {
        restore_advice(saved, addr, size);
        restore_lock(saved, addr, size);
        restore_policy(saved, addr, size);
    }
    errno = saved_errno;
}

bool page_effects_have_policy(void *addr)
{
    struct memory_policy policy;
    int saved_errno = errno;
    int err = memory_policy_of(addr, &policy);

    errno = saved_errno;
    return err == 0 && policy.mode != MPOL_DEFAULT;
}

/* -- Locks ------------------------------------------------------------------------------------- */

bool page_effects_are_locked(void *addr, size_t size)
{
    int saved_errno = errno;
    /* libc's function is a cancellation point. */
    bool locked = syscall(SYS_msync, addr, size, MS_ASYNC | MS_INVALIDATE) != 0 && errno == EBUSY;

    errno = saved_errno;
    return locked;
}

enum page_effects_future page_effects_future_of(void *fresh, size_t page)
{
    int saved_errno = errno;
    unsigned char present = 0;

    if (!page_effects_are_locked(fresh, page))
        return FUTURE_UNLOCKED;
    bool at_once = mincore(fresh, page, &present) != 0 || (present & 1) != 0;
    errno = saved_errno;
    return at_once ? FUTURE_LOCKED : FUTURE_LOCKED_ON_FAULT;
}

int page_effects_lock_on_fault(enum page_effects_future future)
{
    int saved_errno = errno;
    int err = future == FUTURE_LOCKED && syscall(SYS_mlockall, MCL_FUTURE | MCL_ONFAULT) != 0
                  ? -errno
                  : 0;

    errno = saved_errno;
    return err;
}

void page_effects_lock_at_once(enum page_effects_future future)
{
    int saved_errno = errno;

    if (future == FUTURE_LOCKED)
        check("mlockall(2)", syscall(SYS_mlockall, MCL_FUTURE) != 0);
    errno = saved_errno;
}
