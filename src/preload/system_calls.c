/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of libc by which programs fork without handlers, install a filter of system calls, or
 * lose sight of directories.
 *
 * The child of such a fork would write into its parent's heap, because both have the file mapped.
 * So libmemkind's handlers run around these forks too. Handlers of others do not, as without the
 * library. A child that shares its parent's memory needs none. A child that has a copy of the
 * memory but shares the table of descriptors (CLONE_FILES) is left alone: it would close its
 * parent's files.
 *
 * A kind that is made at the first request is made before a call that may hide its directory.
 *
 * All else must be a jump: a child that shares its parent's stack returns from here first. This
 * file is therefore always optimized. The functions may be called in signal handlers, so the next
 * library's are found at the start.
 */
#include "preload/system_calls.h"

#include <dlfcn.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "preload/call_filters.h"
#include "preload/preload.h"
#include "util/hot.h"

/* -- The next in line -------------------------------------------------------------------------- */

static struct {
    __typeof__(system_calls_syscall) *syscall;
    __typeof__(system_calls_prctl) *prctl;
    __typeof__(system_calls_clone) *clone;
    __typeof__(system_calls_fork) *fork; /* NULL: this libc has none */
    __typeof__(system_calls_chroot) *chroot;
} next;

/* Earlier, if the constructor of another library makes such a call. */
__attribute__((constructor(101))) static void find_next(void)
{
    *(void **)&next.fork = dlsym(RTLD_NEXT, "_Fork");
    *(void **)&next.clone = dlsym(RTLD_NEXT, "clone");
    *(void **)&next.chroot = dlsym(RTLD_NEXT, "chroot");
    *(void **)&next.prctl = dlsym(RTLD_NEXT, "prctl");
    *(void **)&next.syscall = dlsym(RTLD_NEXT, "syscall");
}

static inline void need_next(void)
{
    if (!LIKELY(next.syscall != NULL))
        find_next();
}

/* -- Forks ------------------------------------------------------------------------------------- */

/* Returns whether the child of clone(2) has a heap and descriptors of its own. */
static bool copies(unsigned long flags)
{
    return (flags & (CLONE_VM | CLONE_FILES)) == 0 && preload_kind() != NULL;
}

/* Returns whether the call forks a child that goes on where the parent is. */
static bool forks(long number, unsigned long a, unsigned long b)
{
#ifdef SYS_fork
    if (number == SYS_fork)
        return copies(0);
#endif
#ifdef SYS_clone3
    if (number == SYS_clone3) {
        /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
        const struct clone_args *args = (const struct clone_args *)a;

        return args != NULL && b >= CLONE_ARGS_SIZE_VER0 && args->stack == 0 && copies(args->flags);
    }
#endif
    return number == SYS_clone && b == 0 && copies(a);
}

static __attribute__((noinline)) long raw_fork(long number, unsigned long a, unsigned long b,
                                               unsigned long c, unsigned long d, unsigned long e)
{
    preload_before_raw_fork();
    long pid = next.syscall(number, a, b, c, d, e, 0);
    preload_after_raw_fork(pid == 0);
    return pid;
}

int system_calls_fork(void)
{
    need_next();
    if (next.fork == NULL)
        return (int)system_calls_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (!copies(0))
        return next.fork();
    preload_before_raw_fork();
    int pid = next.fork();
    preload_after_raw_fork(pid == 0);
    return pid;
}

/* What the child of clone(2) calls. Lies on the parent's stack, of which the child has a copy. */
struct child {
    int (*function)(void *);
    void *argument;
};

static int run_child(void *argument)
{
    const struct child child = *(struct child *)argument;

    preload_after_raw_fork(true);
    return child.function(child.argument);
}

static __attribute__((noinline)) int clone_copy(int (*function)(void *), void *stack, int flags,
                                                void *argument, void *parent_tid, void *tls,
                                                void *child_tid)
{
    struct child child = {function, argument};

    preload_before_raw_fork();
    int pid = next.clone(run_child, stack, flags, &child, parent_tid, tls, child_tid);
    preload_after_raw_fork(false);
    return pid;
}

int system_calls_clone(int (*function)(void *), void *stack, int flags, void *argument,
                       void *parent_tid, void *tls, void *child_tid)
{
    need_next();
    if (function != NULL && stack != NULL && copies((unsigned)flags))
        return clone_copy(function, stack, flags, argument, parent_tid, tls, child_tid);
    return next.clone(function, stack, flags, argument, parent_tid, tls, child_tid);
}

/* -- Filters ----------------------------------------------------------------------------------- */

static __attribute__((noinline)) int set_mode(unsigned long mode, unsigned long b, unsigned long c,
                                              unsigned long d)
{
    unsigned operation =
        mode == SECCOMP_MODE_STRICT ? SECCOMP_SET_MODE_STRICT : SECCOMP_SET_MODE_FILTER;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    bool withdrawn = call_filters_begin(operation, (const void *)b);
    int result = next.prctl(PR_SET_SECCOMP, mode, b, c, d);

    call_filters_end(withdrawn, result == 0);
    return result;
}

int system_calls_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
                       unsigned long d)
{
    need_next();
    if (option == PR_SET_SECCOMP && (a == SECCOMP_MODE_STRICT || a == SECCOMP_MODE_FILTER))
        return set_mode(a, b, c, d);
    return next.prctl(option, a, b, c, d);
}

static __attribute__((noinline)) long set_filter(unsigned long operation, unsigned long flags,
                                                 unsigned long program)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    bool withdrawn = call_filters_begin((unsigned)operation, (const void *)program);
    long result = next.syscall(SYS_seccomp, operation, flags, program, 0, 0, 0);

    /* With SECCOMP_FILTER_FLAG_NEW_LISTENER, a descriptor. */
    call_filters_end(withdrawn, result >= 0);
    return result;
}

/* -- Directories ------------------------------------------------------------------------------- */

/* Returns whether a kind might not find its directory, or may not use it, after the call. */
static bool hides_directories(long number)
{
#ifdef SYS_landlock_restrict_self
    if (number == SYS_landlock_restrict_self)
        return true;
#endif
    return number == SYS_chroot || number == SYS_pivot_root;
}

int system_calls_chroot(const char *path)
{
    need_next();
    (void)preload_kind_for_request();
    return next.chroot(path);
}

/* ---------------------------------------------------------------------------------------------- */

long system_calls_syscall(long number, unsigned long a, unsigned long b, unsigned long c,
                          unsigned long d, unsigned long e, unsigned long f)
{
    need_next();
    if (forks(number, a, b))
        return raw_fork(number, a, b, c, d, e);
    if (number == SYS_seccomp)
        return set_filter(a, b, c);
    if (number == SYS_prctl)
        return system_calls_prctl((int)a, b, c, d, e);
    if (hides_directories(number))
        (void)preload_kind_for_request();
    return next.syscall(number, a, b, c, d, e, f);
}
