/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How other threads are made to wait.
 *
 * A moment has a number, an odd one; the word `moment` is a futex. The signal carries it, so that
 * one that comes late is nobody's. Threads that arrive are counted together with the number, so
 * that none is counted in a later moment. From then on a thread writes to nothing but its stack.
 */
#include "os/thread_signal.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* How the signal is known to be ours: programs send none with such a code. */
#define OUR_CODE (-77)

/* A thread that has not come by then is busy in the kernel. */
#define PATIENCE_NS INT64_C(20000000)

#define COUNT_BITS 16
#define COUNT_MASK (((uint64_t)1 << COUNT_BITS) - 1)

static atomic_uint moment;
static _Atomic uint64_t entered; /* the moment's number, and how many have got an index, */
static _Atomic uint64_t arrived; /* or have written where they are */
static struct {
    uintptr_t stack;   /* of the thread, where the signal interrupted it */
    uintptr_t handler; /* of the handler: elsewhere if the thread has an alternate signal stack */
    uintptr_t local;   /* its thread-local data */
} waiting[THREAD_SIGNAL_MOST];
static struct thread_place places[THREAD_SIGNAL_MOST]; /* by index */
static int number;                                     /* of the signal; 0: none yet */

/* -- Registers --------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#    define SYSCALL_SIZE 2

static uintptr_t result_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RAX];
}

static uintptr_t stack_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
}

static uintptr_t next_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

static void repeat(ucontext_t *context, const struct thread_place *place)
{
    context->uc_mcontext.gregs[REG_RAX] = place->call;
    context->uc_mcontext.gregs[REG_RIP] -= SYSCALL_SIZE;
}

static long futex_call(atomic_uint *word, int operation, unsigned value)
{
    register void *timeout __asm__("r10") = NULL;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_futex), "D"(word), "S"((long)operation), "d"((long)value),
                       "r"(timeout)
                     : "rcx", "r11", "memory");
    return result;
}
#    define CAN_WAIT 1
#elif defined(__aarch64__)
#    define SYSCALL_SIZE 4

static uintptr_t result_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.regs[0];
}

static uintptr_t stack_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.sp;
}

static uintptr_t next_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.pc;
}

static void repeat(ucontext_t *context, const struct thread_place *place)
{
    context->uc_mcontext.regs[0] = place->first_argument;
    context->uc_mcontext.regs[8] = (uintptr_t)place->call;
    context->uc_mcontext.pc -= SYSCALL_SIZE;
}

static long futex_call(atomic_uint *word, int operation, unsigned value)
{
    register long call __asm__("x8") = SYS_futex;
    register void *at __asm__("x0") = word;
    register long op __asm__("x1") = operation;
    register long expected __asm__("x2") = value;
    register void *timeout __asm__("x3") = NULL;

    __asm__ volatile("svc 0"
                     : "+r"(at)
                     : "r"(call), "r"(op), "r"(expected), "r"(timeout)
                     : "memory");
    return (long)at;
}
#    define CAN_WAIT     1
#else
#    define CAN_WAIT 0
#endif

/* -- In the other threads ---------------------------------------------------------------------- */

#if CAN_WAIT
/* Counts this thread in the moment of that number; false where it is over. */
static bool count_in(_Atomic uint64_t *count, unsigned of, unsigned *index)
{
    uint64_t value = atomic_load(count);

    do {
        if (value >> COUNT_BITS != of)
            return false;
    } while (!atomic_compare_exchange_weak(count, &value, value + 1));
    *index = (unsigned)(value & COUNT_MASK);
    return true;
}

/*
 * Where the thread was waiting in a system call, and nothing but this signal ended it, the call is
 * made again.
 */
static void repeat_call(ucontext_t *context, const struct thread_place *place)
{
    if (result_of(context) == (uintptr_t)-EINTR && place->call >= 0 &&
        place->stack == stack_of(context) && place->next == next_of(context) &&
        thread_signal_repeats(place->call))
        repeat(context, place);
}

/* No system call here but by futex_call(), since errno is thread-local data. */
__attribute__((no_sanitize("thread", "address"))) static void wait_in(unsigned of,
                                                                      const ucontext_t *interrupted)
{
    unsigned index;

    if (!count_in(&entered, of, &index))
        return;
    waiting[index].stack = stack_of(interrupted);
    waiting[index].handler = (uintptr_t)__builtin_frame_address(0);
    waiting[index].local = (uintptr_t)&errno;
    if (!count_in(&arrived, of, &index))
        return;
    while (atomic_load(&moment) == of)
        (void)futex_call(&moment, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, of);
}

__attribute__((no_sanitize("thread", "address"))) static void
on_signal(int signal_number, siginfo_t *info, void *context)
{
    uintptr_t value = (uintptr_t)info->si_value.sival_ptr;

    if (info->si_code != OUR_CODE) {
        /* What would have happened without a handler. */
        signal(signal_number, SIG_DFL);
        raise(signal_number);
        return;
    }
    repeat_call(context, &places[value & COUNT_MASK]);
    wait_in((unsigned)(value >> COUNT_BITS), context);
}

/* -- In the thread that stops them ------------------------------------------------------------- */

static bool is_free(int candidate)
{
    struct sigaction action;

    return sigaction(candidate, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
           action.sa_handler == SIG_DFL;
}

static bool is_ours(int candidate)
{
    struct sigaction action;

    return candidate != 0 && sigaction(candidate, NULL, &action) == 0 &&
           (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_signal;
}

static int install(int candidate)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    sigfillset(&action.sa_mask);
    return sigaction(candidate, &action, NULL) == 0 ? candidate : 0;
}

int thread_signal_prepare(void)
{
    if (is_ours(number))
        return number;
    number = 0;
    for (int candidate = SIGRTMAX; candidate >= SIGRTMIN && number == 0; candidate--)
        if (is_free(candidate))
            number = install(candidate);
    return number;
}
#else
int thread_signal_prepare(void)
{
    return 0;
}
#endif

void thread_signal_begin(void)
{
    unsigned next = atomic_load(&moment) + 1;

    atomic_store(&entered, (uint64_t)next << COUNT_BITS);
    atomic_store(&arrived, (uint64_t)next << COUNT_BITS);
    atomic_store(&moment, next);
}

int thread_signal_send(pid_t thread, unsigned index, const struct thread_place *place)
{
    uintptr_t value = (uintptr_t)atomic_load(&moment) << COUNT_BITS | index;
    siginfo_t info = {.si_signo = number, .si_code = OUR_CODE};

    places[index] = *place;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)value;
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, number, &info) == 0 ? 0 : -errno;
}

static int64_t now_in_ns(void)
{
    enum { NS_A_SECOND = 1000000000 };
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_A_SECOND + now.tv_nsec;
}

bool thread_signal_wait(unsigned threads)
{
    const struct timespec pause = {.tv_nsec = 20000};
    int64_t end = now_in_ns() + PATIENCE_NS;

    while ((atomic_load(&arrived) & COUNT_MASK) < threads) {
        if (now_in_ns() > end)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static bool is_near(uintptr_t address, uintptr_t first, uintptr_t end, uintptr_t distance)
{
    return address + distance >= first && address <= end + distance;
}

bool thread_signal_is_near(unsigned threads, uintptr_t first, uintptr_t end, uintptr_t distance)
{
    for (unsigned i = 0; i < threads; i++)
        if (is_near(waiting[i].stack, first, end, distance) ||
            is_near(waiting[i].handler, first, end, distance) ||
            is_near(waiting[i].local, first, end, distance))
            return true;
    return false;
}

void thread_signal_end(void)
{
    atomic_fetch_add(&moment, 1);
    syscall(SYS_futex, &moment, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, THREAD_SIGNAL_MOST, NULL, NULL, 0);
}

bool thread_signal_repeats(long call)
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
