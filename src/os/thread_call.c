/* SPDX-License-Identifier: BSD-2-Clause */
/* The system call that another thread waits in. */
#include "os/thread_call.h"

#if THREAD_CALL_IS_KNOWN
#    include <elf.h>
#    include <errno.h>
#    include <fcntl.h>
#    include <stddef.h>
#    include <stdio.h>
#    include <stdlib.h>
#    include <string.h>
#    include <sys/ptrace.h>
#    include <sys/socket.h>
#    include <sys/syscall.h>
#    include <sys/uio.h>
#    include <sys/user.h>
#    include <unistd.h>

#    define ARGUMENTS 6

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
#    ifdef SYS_poll
        SYS_poll,          SYS_select,       SYS_epoll_wait,      SYS_pause,
#    endif
#    ifdef SYS_epoll_pwait2
        SYS_epoll_pwait2,
#    endif
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i] == call)
            return true;
    return false;
}

/*
 * Whether the program would notice an interruption, because the call would return after a part of
 * the bytes that it was to write or to receive. Also true for a thread whose child of vfork(2)
 * runs.
 */
static bool is_cut_short(long call, const unsigned long arguments[ARGUMENTS])
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
#    ifdef SYS_vfork
    case SYS_vfork:
#    endif
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

bool thread_call_read_file(pid_t process, pid_t thread, const char *name,
                           char text[THREAD_CALL_TEXT_SIZE])
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)process, (int)thread, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = syscall(SYS_read, fd, text, THREAD_CALL_TEXT_SIZE - 1);
    (void)syscall(SYS_close, fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* Returns the number of the call that the thread waits in, or -1, and stores the arguments. */
static long read_call(pid_t process, pid_t thread, unsigned long arguments[ARGUMENTS])
{
    char text[THREAD_CALL_TEXT_SIZE];
    char *next = text;

    if (!thread_call_read_file(process, thread, "syscall", text) ||
        strncmp(text, "running", strlen("running")) == 0)
        return -1;
    long call = strtol(text, &next, 10);
    for (size_t i = 0; i < ARGUMENTS; i++)
        arguments[i] = strtoul(next, &next, 16);
    return call;
}

bool thread_call_is_delicate(pid_t process, pid_t thread)
{
    unsigned long arguments[ARGUMENTS] = {0};

    return is_cut_short(read_call(process, thread, arguments), arguments);
}

#    if defined(__x86_64__)
/*
 * Changes the registers so that the call, which has failed with EINTR, is made again. False: the
 * thread has failed in no such call.
 */
static bool repeat(pid_t process, pid_t thread, struct user_regs_struct *registers)
{
    enum { SYSCALL_SIZE = 2 };

    (void)process;
    (void)thread;
    if ((long)registers->rax != -EINTR || !can_repeat((long)registers->orig_rax))
        return false;
    registers->rax = registers->orig_rax;
    registers->rip -= SYSCALL_SIZE;
    return true;
}
#    elif defined(__aarch64__)
static bool repeat(pid_t process, pid_t thread, struct user_regs_struct *registers)
{
    enum { SYSCALL_SIZE = 4, NUMBER = 8 };
    unsigned long arguments[ARGUMENTS];

    if ((long)registers->regs[0] != -EINTR)
        return false;
    long call = read_call(process, thread, arguments);
    if (call != (long)registers->regs[NUMBER] || !can_repeat(call))
        return false;
    registers->regs[0] = arguments[0];
    registers->pc -= SYSCALL_SIZE;
    return true;
}
#    endif

void thread_call_repeat(pid_t process, pid_t thread)
{
    struct user_regs_struct registers;
    struct iovec part = {&registers, sizeof(registers)};

    if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &part) == 0 &&
        repeat(process, thread, &registers))
        (void)ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &part);
}
#endif
