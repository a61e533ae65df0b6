/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How other threads are stopped.
 *
 * The helper has the calling thread's thread-local data, errno among them. So only one of the two
 * runs at a time, except while the helper waits for a late thread: then its calls do not fail, and
 * are no cancellation points.
 */
#include "os/thread_trace.h"

#include <elf.h>
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

/* Most threads that a process may have for them to be stopped. */
#define THREADS_MOST 1024u

#define STACK_SIZE ((size_t)64 << 10)
#define TEXT_SIZE  1024

/* New threads of threads that still run are looked for so often. */
#define ROUNDS 8u

/* A thread that has not stopped by then is busy in the kernel; the others go on. */
#define PATIENCE_NS ((int64_t)10 * CLOCK_NS_PER_MS)

/* So long the helper waits for that thread, to make its call again. */
#define PATIENCE_LATE_NS ((int64_t)1 * CLOCK_NS_PER_SECOND)

#define POLL_NS       20000
#define CHECK_WITH_NS ((long)20 * CLOCK_NS_PER_MS)

/* Where tracing is forbidden, this is tried again so much later: each attempt may be logged. */
#define AFTER_DENIED_MS ((int64_t)60 * CLOCK_MS_PER_SECOND)

enum state { GONE, BEGINNING, TRACING, STOPPED, CONTINUING, LATE };

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
static struct traced traced[THREADS_MOST];
static unsigned traced_count;
static bool is_denied;              /* the helper may not trace */
static unsigned long first_filters; /* of system calls */
static int64_t not_before;
static _Alignas(16) char helper_stack[STACK_SIZE];

/* -- The state --------------------------------------------------------------------------------- */

/* Waits while the state is this one; for some time only, if there is one. */
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

static int64_t now_in_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * CLOCK_NS_PER_SECOND + now.tv_nsec;
}

/* -- System calls of the threads --------------------------------------------------------------- */

/* Whether a call that failed with EINTR has had no effect, so that it can be made again. */
static bool can_repeat(long call)
{
    static const long calls[] = {
        SYS_read,          SYS_write,        SYS_readv,           SYS_writev,
        SYS_pread64,       SYS_pwrite64,     SYS_recvfrom,        SYS_recvmsg,
        SYS_recvmmsg,      SYS_sendto,       SYS_sendmsg,         SYS_accept,
        SYS_accept4,       SYS_wait4,        SYS_waitid,          SYS_futex,
        SYS_ppoll,         SYS_pselect6,     SYS_epoll_pwait,     SYS_nanosleep,
        SYS_rt_sigsuspend, SYS_semop,        SYS_semtimedop,      SYS_msgrcv,
        SYS_msgsnd,        SYS_io_getevents, SYS_rt_sigtimedwait, SYS_clock_nanosleep,
        SYS_flock,         SYS_fcntl,        SYS_mq_timedreceive, SYS_mq_timedsend,
#ifdef SYS_poll
        SYS_poll,          SYS_select,       SYS_epoll_wait,      SYS_pause,
#endif
#ifdef SYS_epoll_pwait2
        SYS_epoll_pwait2,
#endif
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i] == call)
            return true;
    return false;
}

/*
 * Whether an interruption would be seen: the call would return with a part of what it was to write
 * or to receive. A thread whose child runs in this memory is not stopped either.
 */
static bool must_not_interrupt(long call, const unsigned long arguments[6])
{
    enum { FLAGS = 3, FLAGS_OF_MESSAGE = 2 };

    switch (call) {
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
    case SYS_splice:
    case SYS_tee:
    case SYS_vmsplice:
    case SYS_clone:
    case SYS_clone3:
#ifdef SYS_vfork
    case SYS_vfork:
#endif
        return true;
    case SYS_recvfrom:
        return (arguments[FLAGS] & MSG_WAITALL) != 0;
    case SYS_recvmsg:
        return (arguments[FLAGS_OF_MESSAGE] & MSG_WAITALL) != 0;
    case SYS_recvmmsg:
        return true;
    default:
        return false;
    }
}

static bool read_file(pid_t thread, const char *name, char text[TEXT_SIZE])
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)process, (int)thread, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = syscall(SYS_read, fd, text, TEXT_SIZE - 1);
    (void)syscall(SYS_close, fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* The call that the thread waits in, with its arguments; -1 where the thread runs. */
static long read_call(pid_t thread, unsigned long arguments[6])
{
    char text[TEXT_SIZE];
    char *next = text;

    if (!read_file(thread, "syscall", text) || strncmp(text, "running", strlen("running")) == 0)
        return -1;
    long call = strtol(text, &next, 10);
    for (size_t i = 0; i < 6; i++)
        arguments[i] = strtoul(next, &next, 16);
    return call;
}

#if defined(__x86_64__)
/* Changes the registers so that the call, which has failed with EINTR, is made again. */
static bool repeat(pid_t thread, struct user_regs_struct *registers)
{
    enum { SYSCALL_SIZE = 2 };

    (void)thread;
    if ((long)registers->rax != -EINTR || !can_repeat((long)registers->orig_rax))
        return false;
    registers->rax = registers->orig_rax;
    registers->rip -= SYSCALL_SIZE;
    return true;
}
#    define CAN_TRACE 1
#elif defined(__aarch64__)
static bool repeat(pid_t thread, struct user_regs_struct *registers)
{
    enum { SYSCALL_SIZE = 4, NUMBER = 8 };
    unsigned long arguments[6];

    if ((long)registers->regs[0] != -EINTR)
        return false;
    long call = read_call(thread, arguments);
    if (call != (long)registers->regs[NUMBER] || !can_repeat(call))
        return false;
    registers->regs[0] = arguments[0];
    registers->pc -= SYSCALL_SIZE;
    return true;
}
#    define CAN_TRACE 1
#else
#    define CAN_TRACE 0
#endif

#if CAN_TRACE
static void repeat_call(pid_t thread)
{
    struct user_regs_struct registers;
    struct iovec part = {&registers, sizeof(registers)};

    if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &part) == 0 && repeat(thread, &registers))
        (void)ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &part);
}

/* -- One thread -------------------------------------------------------------------------------- */

/* Whether the thread has ended, though it is still listed, as a main thread may. */
static bool is_zombie(pid_t thread)
{
    char text[TEXT_SIZE];

    if (!read_file(thread, "stat", text))
        return true;
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[1] == '\0' || name_end[2] == 'Z' || name_end[2] == 'X';
}

/* False where the thread cannot be stopped. */
static bool seize(pid_t thread)
{
    unsigned long arguments[6] = {0};

    if (traced_count == THREADS_MOST || must_not_interrupt(read_call(thread, arguments), arguments))
        return false;
    struct traced *next = &traced[traced_count];
    *next = (struct traced){.thread = thread};
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0) {
        next->has_ended = errno == ESRCH || is_zombie(thread);
        is_denied = !next->has_ended;
    } else if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0) {
        next->has_ended = errno == ESRCH;
    }
    traced_count += !is_denied;
    return !is_denied;
}

/*
 * Takes the thread's changes of state, until there are none. Signals that come for the thread
 * meanwhile are delivered before it stops.
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
            repeat_call(one->thread);
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
        if (now_in_ns() > end)
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

/* Without memory, as opendir(3) needs. */
static bool seize_new(void)
{
    _Alignas(struct directory_entry) char list[TEXT_SIZE];
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

/* Until there are no threads but those that are stopped. */
static bool stop_all(void)
{
    int64_t end = now_in_ns() + PATIENCE_NS;

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

/* Where a filter of system calls ends the helper, that is no reason for a core dump. */
static void dump_no_core(void)
{
    const struct rlimit least = {1, 1};

    (void)setrlimit(RLIMIT_CORE, &least);
}

/* The others go on; the late thread is still to have its call made again. */
static void wait_for_late(void)
{
    int64_t end = now_in_ns() + PATIENCE_LATE_NS;

    if (!check_all()) {
        release_stopped();
        enter(LATE);
        (void)wait_for_all(end);
    }
    release_stopped();
}

static int be_helper(void *unused)
{
    (void)unused;
    dump_no_core();
    wait_while(BEGINNING, NULL);
    if (stop_all()) {
        enter(STOPPED);
        wait_while(STOPPED, NULL);
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
    char text[TEXT_SIZE * 2];
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

/* Waits for the helper if it has ended; whether it has. */
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

/* Waits while the helper is in that state. A helper that was killed need not leave it. */
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
    if (clock_coarse_ms() < not_before || count_filters() != first_filters || !reap() ||
        !begin(is_spared))
        return false;
    /* Where the Yama module restricts tracing to ancestors, this is an exception. */
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

void thread_trace_continue(void)
{
    enter(CONTINUING);
    await(CONTINUING);
    while (!reap())
        sched_yield();
    (void)prctl(PR_SET_PTRACER, 0, 0, 0, 0);
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

void thread_trace_continue(void)
{
}
#endif

void thread_trace_after_fork(void)
{
    atomic_store(&state, GONE);
    helper = 0;
    not_before = 0;
}
