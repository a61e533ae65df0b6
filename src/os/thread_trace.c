/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How other threads are stopped.
 *
 * The helper has the calling thread's thread-local data, errno among them. So only one of the two
 * runs at a time, except while the helper waits for a late thread: then its calls do not fail, and
 * are no cancellation points.
 */
#include "os/thread_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/thread_call.h"
#include "util/clock.h"

#if THREAD_CALL_IS_KNOWN
/* Most threads that a process may have for them to be stopped. */
#    define THREADS_MOST 1024u

#    define STACK_SIZE  ((size_t)64 << 10)
#    define LIST_SIZE   1024 /* of entries of a directory that are read at once */
#    define STATUS_SIZE 2048 /* of /proc/thread-self/status */

/* Of the name of a namespace, such as "pid:[4026531836]". */
#    define NAMESPACE_SIZE 64

/* Rounds of a search for new threads, which threads that still run may have started. */
#    define ROUNDS 8u

/* A thread that has not stopped after this time is busy in the kernel: the others go on. */
#    define PATIENCE_NS ((int64_t)10 * CLOCK_NS_PER_MS)

/* The time that the helper waits for such a thread, to make its call again. */
#    define PATIENCE_LATE_NS ((int64_t)1 * CLOCK_NS_PER_SECOND)

#    define POLL_NS       20000
#    define CHECK_WITH_NS ((long)20 * CLOCK_NS_PER_MS)

/* The time until the next attempt where tracing is forbidden: the kernel may log each attempt. */
#    define AFTER_DENIED_MS ((int64_t)60 * CLOCK_MS_PER_SECOND)

enum state { GONE, BEGINNING, TRACING, STOPPED, CALLING, CONTINUING, LATE };

struct traced {
    pid_t thread;
    bool is_stopped;
    bool has_ended;
};

static atomic_uint state;
static pid_t helper; /* 0: none that has not been waited for */
static pid_t process;
static pid_t caller;
static bool (*is_spared_by)(pid_t thread);
static int (*called)(void *arg);
static void *called_arg;
static int called_result;
static struct traced traced[THREADS_MOST];
static unsigned traced_count;
static bool is_denied;              /* the helper may not trace */
static unsigned long first_filters; /* of system calls */
static int64_t not_before;
static _Alignas(16) char helper_stack[STACK_SIZE];

/* -- The state --------------------------------------------------------------------------------- */

/* Waits while the state is this one, at most for the timeout if that is not NULL. */
static void wait_while(enum state wanted, const struct timespec *timeout)
{
    while (atomic_load(&state) == (unsigned)wanted) {
        (void)syscall(SYS_futex, &state, FUTEX_WAIT, (unsigned)wanted, timeout, NULL, 0);
        if (timeout != NULL)
            return;
    }
}

static void enter(enum state next)
{
    atomic_store(&state, (unsigned)next);
    (void)syscall(SYS_futex, &state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* -- One thread -------------------------------------------------------------------------------- */

/* Whether the thread has ended, although it is still listed: a main thread may be. */
static bool is_zombie(pid_t thread)
{
    char text[THREAD_CALL_TEXT_SIZE];

    if (!thread_call_read_file(process, thread, "stat", text))
        return true;
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[1] == '\0' || name_end[2] == 'Z' || name_end[2] == 'X';
}

/* False where the thread cannot be stopped. */
static bool seize(pid_t thread)
{
    if (traced_count == THREADS_MOST || thread_call_is_delicate(process, thread))
        return false;
    struct traced *next = &traced[traced_count];
    *next = (struct traced){.thread = thread};
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0) {
        next->has_ended = is_zombie(thread);
        is_denied = !next->has_ended;
    } else if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0) {
        next->has_ended = errno == ESRCH;
    }
    traced_count += !is_denied;
    return !is_denied;
}

/*
 * Processes the thread's changes of state until there are none. A signal for the thread is
 * delivered before the thread stops.
 */
static void check(struct traced *one)
{
    int status;

    while (!one->is_stopped && !one->has_ended) {
        pid_t changed = (pid_t)syscall(SYS_wait4, one->thread, &status, __WALL | WNOHANG, NULL);

        if (changed == 0)
            return;
        if (changed < 0 || !WIFSTOPPED(status)) {
            one->has_ended = true;
        } else if (status >> 16 == PTRACE_EVENT_STOP) {
            one->is_stopped = true;
            thread_call_repeat(process, one->thread);
        } else {
            (void)ptrace(PTRACE_CONT, one->thread, NULL, (void *)(intptr_t)WSTOPSIG(status));
        }
    }
}

/* -- All threads ------------------------------------------------------------------------------- */

static bool check_all(void)
{
    bool all = true;

    for (unsigned i = 0; i < traced_count; i++) {
        check(&traced[i]);
        all &= traced[i].is_stopped || traced[i].has_ended;
    }
    return all;
}

static bool wait_for_all(int64_t end)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};

    while (!check_all()) {
        if (clock_ns() > end)
            return false;
        (void)syscall(SYS_nanosleep, &pause, NULL);
    }
    return true;
}

static bool is_traced(pid_t thread)
{
    for (unsigned i = 0; i < traced_count; i++)
        if (traced[i].thread == thread)
            return true;
    return false;
}

struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

static bool seize_listed(const char *list, size_t size)
{
    size_t at = 0;

    while (at < size) {
        const struct directory_entry *entry = (const void *)(list + at);
        pid_t thread = (pid_t)strtol(entry->name, NULL, 10);

        at += entry->size;
        if (thread > 0 && thread != caller && !is_spared_by(thread) && !is_traced(thread) &&
            !seize(thread))
            return false;
    }
    return true;
}

/* Seizes the threads that are not traced yet. Allocates no memory, as opendir(3) would. */
static bool seize_new(void)
{
    _Alignas(struct directory_entry) char list[LIST_SIZE];
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool can = fd >= 0;
    long size = 1;

    while (can && size > 0) {
        size = syscall(SYS_getdents64, fd, list, sizeof(list));
        can = size >= 0 && seize_listed(list, (size_t)size);
    }
    if (fd >= 0)
        close(fd);
    return can;
}

/* Stops threads until a search finds no new one. */
static bool stop_all(void)
{
    int64_t end = clock_ns() + PATIENCE_NS;

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = traced_count;

        if (!seize_new() || !wait_for_all(end))
            return false;
        if (traced_count == before)
            return true;
    }
    return false;
}

static void release_stopped(void)
{
    for (unsigned i = 0; i < traced_count; i++)
        if (traced[i].is_stopped && !traced[i].has_ended) {
            (void)ptrace(PTRACE_DETACH, traced[i].thread, NULL, NULL);
            traced[i].has_ended = true;
        }
}

/* -- The helper -------------------------------------------------------------------------------- */

/* If a filter of system calls ends the helper, there is to be no core dump. */
static void dump_no_core(void)
{
    const struct rlimit least = {1, 1};

    (void)setrlimit(RLIMIT_CORE, &least);
}

/* Lets the other threads go on, and waits for the late one, whose call must be made again. */
static void wait_for_late(void)
{
    int64_t end = clock_ns() + PATIENCE_LATE_NS;

    if (!check_all()) {
        release_stopped();
        enter(LATE);
        (void)wait_for_all(end);
    }
    release_stopped();
}

/* Makes the caller's calls until the threads are to go on. */
static void serve(void)
{
    wait_while(STOPPED, NULL);
    while (atomic_load(&state) == CALLING) {
        called_result = called(called_arg);
        enter(STOPPED);
        wait_while(STOPPED, NULL);
    }
}

/*
 * The helper ends with the caller, which SIGKILL may end at any time: a helper that waited for ever
 * would keep the memory of the process.
 */
static bool end_with_caller(void)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == process;
}

static int be_helper(void *unused)
{
    (void)unused;
    is_denied = !end_with_caller();
    if (is_denied)
        return 0;
    dump_no_core();
    wait_while(BEGINNING, NULL);
    if (stop_all()) {
        enter(STOPPED);
        serve();
        release_stopped();
    } else {
        wait_for_late();
    }
    return 0;
}

/*
 * The filters of system calls that this thread has: containers begin with some, which allow what a
 * program needs to fork.
 */
static unsigned long count_filters(void)
{
    char text[STATUS_SIZE];
    static const char name[] = "\nSeccomp_filters:";

    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) <= 0)
        return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? syscall(SYS_read, fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    text[size > 0 ? size : 0] = '\0';
    const char *line = strstr(text, name);
    return line != NULL ? strtoul(line + sizeof(name) - 1, NULL, 10) : 1;
}

/* The target of a link; false: it has none. */
static bool read_link(const char *path, char target[NAMESPACE_SIZE])
{
    ssize_t size = readlink(path, target, NAMESPACE_SIZE - 1);

    target[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/*
 * Whether the helper would begin in another PID namespace, as unshare(2) and setns(2) arrange for
 * children. The helper could trace no thread from there, and would be the first process of a new
 * namespace, which ends with its first process. A new namespace without a process has a link
 * without a target; kernels before Linux 4.12 have no such link.
 */
static bool is_foreign_to_children(void)
{
    static const char path[] = "/proc/thread-self/ns/pid_for_children";
    char own[NAMESPACE_SIZE], childrens[NAMESPACE_SIZE];
    struct stat status;

    if (!read_link("/proc/thread-self/ns/pid", own))
        return false;
    if (!read_link(path, childrens))
        return lstat(path, &status) == 0;
    return strcmp(own, childrens) != 0;
}

/* Collects the helper's exit status. Returns whether the helper has ended. */
static bool reap(void)
{
    int status = 0;

    if (helper == 0)
        return true;
    pid_t ended = waitpid(helper, &status, __WALL | WNOHANG);
    if (ended == 0 || (ended < 0 && errno != ECHILD))
        return false;
    if (ended > 0 && WIFSIGNALED(status))
        is_denied = true;
    helper = 0;
    atomic_store(&state, GONE);
    return true;
}

/* Waits until the helper has left the state. A helper that was killed stays in its state. */
static void await(enum state current)
{
    const struct timespec timeout = {.tv_nsec = CHECK_WITH_NS};

    while (atomic_load(&state) == (unsigned)current) {
        wait_while(current, &timeout);
        if (atomic_load(&state) == (unsigned)current && reap())
            return;
    }
}

static bool begin(bool (*is_spared)(pid_t thread))
{
    enum { FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_CHILD_CLEARTID };

    traced_count = 0;
    is_denied = false;
    is_spared_by = is_spared;
    process = getpid();
    caller = (pid_t)syscall(SYS_gettid);
    atomic_store(&state, BEGINNING);
    pid_t child =
        clone(be_helper, helper_stack + sizeof(helper_stack), FLAGS, NULL, NULL, NULL, &state);
    helper = child > 0 ? child : 0;
    if (child < 0)
        atomic_store(&state, GONE);
    return child > 0;
}

void thread_trace_configure(void)
{
    static atomic_bool is_configured;

    if (!atomic_exchange(&is_configured, true))
        first_filters = count_filters();
}

bool thread_trace_stop(bool (*is_spared)(pid_t thread))
{
    if (clock_coarse_ms() < not_before || count_filters() != first_filters ||
        is_foreign_to_children() || !reap() || !begin(is_spared))
        return false;
    /* An exception for the Yama module, which may restrict tracing to ancestors. */
    (void)prctl(PR_SET_PTRACER, (unsigned long)helper, 0, 0, 0);
    enter(TRACING);
    await(TRACING);
    if (atomic_load(&state) == STOPPED)
        return true;
    (void)prctl(PR_SET_PTRACER, 0, 0, 0, 0);
    (void)reap();
    if (is_denied)
        not_before = clock_coarse_ms() + AFTER_DENIED_MS;
    return false;
}

int thread_trace_call(int (*call)(void *arg), void *arg)
{
    called = call;
    called_arg = arg;
    enter(CALLING);
    await(CALLING);
    return atomic_load(&state) == STOPPED ? called_result : -EBUSY;
}

void thread_trace_continue(void)
{
    enter(CONTINUING);
    await(CONTINUING);
    while (!reap())
        sched_yield();
    (void)prctl(PR_SET_PTRACER, 0, 0, 0, 0);
}

void thread_trace_after_fork(void)
{
    atomic_store(&state, GONE);
    helper = 0;
    not_before = 0;
}
#else
void thread_trace_configure(void)
{
}

bool thread_trace_stop(bool (*is_spared)(pid_t thread))
{
    (void)is_spared;
    return false;
}

int thread_trace_call(int (*call)(void *arg), void *arg)
{
    (void)call;
    (void)arg;
    return -EBUSY;
}

void thread_trace_continue(void)
{
}

void thread_trace_after_fork(void)
{
}
#endif
