/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that install filters of system calls (seccomp(2)) for themselves, as sandboxes do. */
#include "preload/call_filters.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "preload/descriptors.h"
#include "preload/leave_out.h"
#include "preload/withdraw.h"

#if defined(__x86_64__)
#    define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#    define ARCH AUDIT_ARCH_AARCH64
#else
#    define ARCH 0u /* filters are not run here: all of them may kill */
#endif

/* -- A filter ---------------------------------------------------------------------------------- */

struct machine {
    uint32_t a, x;
    uint32_t memory[BPF_MEMWORDS];
};

static uint32_t compute(uint16_t code, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(code)) {
    case BPF_ADD:
        return a + operand;
    case BPF_SUB:
        return a - operand;
    case BPF_MUL:
        return a * operand;
    case BPF_DIV:
        return operand != 0 ? a / operand : 0;
    case BPF_OR:
        return a | operand;
    case BPF_AND:
        return a & operand;
    case BPF_XOR:
        return a ^ operand;
    case BPF_LSH:
        return operand < 32 ? a << operand : 0;
    case BPF_RSH:
        return operand < 32 ? a >> operand : 0;
    default:
        return 0 - a;
    }
}

static bool is_true(uint16_t code, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    default:
        return (a & operand) != 0;
    }
}

/* Loads a word of the data, a constant, or a word of memory. */
static uint32_t load(const struct machine *machine, const struct sock_filter *step,
                     const struct seccomp_data *data)
{
    uint32_t word = 0;

    switch (BPF_MODE(step->code)) {
    case BPF_ABS:
        if (step->k <= sizeof(*data) - sizeof(word))
            __builtin_memcpy(&word, (const char *)data + step->k, sizeof(word));
        return word;
    case BPF_MEM:
        return machine->memory[step->k % BPF_MEMWORDS];
    case BPF_LEN:
        return sizeof(*data);
    default:
        return step->k;
    }
}

/* Runs an instruction that neither jumps nor returns. */
static void step_on(struct machine *machine, const struct sock_filter *step,
                    const struct seccomp_data *data)
{
    uint32_t operand = BPF_SRC(step->code) == BPF_X ? machine->x : step->k;

    switch (BPF_CLASS(step->code)) {
    case BPF_LD:
        machine->a = load(machine, step, data);
        break;
    case BPF_LDX:
        machine->x = load(machine, step, data);
        break;
    case BPF_ST:
        machine->memory[step->k % BPF_MEMWORDS] = machine->a;
        break;
    case BPF_STX:
        machine->memory[step->k % BPF_MEMWORDS] = machine->x;
        break;
    case BPF_ALU:
        machine->a = compute(step->code, machine->a, operand);
        break;
    default:
        if (BPF_MISCOP(step->code) == BPF_TAX)
            machine->x = machine->a;
        else
            machine->a = machine->x;
    }
}

/* Returns how many instructions a jump passes over. */
static uint32_t jump(const struct machine *machine, const struct sock_filter *step)
{
    uint32_t operand = BPF_SRC(step->code) == BPF_X ? machine->x : step->k;

    if (BPF_OP(step->code) == BPF_JA)
        return step->k;
    return is_true(step->code, machine->a, operand) ? step->jt : step->jf;
}

/*
 * Returns the filter's action for a call. The kernel refuses a program that is not well-formed;
 * here its action is to kill.
 */
static uint32_t action_for(const struct sock_fprog *program, const struct seccomp_data *data)
{
    struct machine machine = {0};

    /* Jumps are forward: every program ends. */
    for (uint64_t at = 0; at < program->len; at++) {
        const struct sock_filter *step = &program->filter[at];

        if (BPF_CLASS(step->code) == BPF_RET)
            return (BPF_RVAL(step->code) == BPF_A ? machine.a : step->k) & SECCOMP_RET_ACTION_FULL;
        if (BPF_CLASS(step->code) == BPF_JMP)
            at += jump(&machine, step);
        else
            step_on(&machine, step, data);
    }
    return SECCOMP_RET_KILL_THREAD;
}

/* A call that libmemkind may make. Arguments that filters seldom check are taken for 0. */
struct call {
    int number;
    bool needed; /* without it, there is no heap in a file */
    uint64_t third_argument;
};

static const struct call calls[] = {
    {SYS_openat, true, O_RDWR | O_TMPFILE | O_CLOEXEC},
    {SYS_ftruncate, true, 0},
    {SYS_mmap, true, PROT_READ | PROT_WRITE},
    {SYS_munmap, true, 0},
    {SYS_close, false, 0},
    {SYS_clone, false, 0},
    {SYS_fallocate, false, 0},
    {SYS_fcntl, false, F_GETFL},
    {SYS_fstat, false, 0},
    {SYS_fstatfs, false, 0},
    {SYS_futex, false, 0},
    {SYS_get_mempolicy, false, 0},
    {SYS_getpid, false, 0},
    {SYS_getrandom, false, 0},
    {SYS_gettid, false, 0},
    {SYS_lseek, false, 0},
    {SYS_madvise, false, MADV_REMOVE},
    {SYS_mbind, false, 0},
    {SYS_membarrier, false, 0},
    {SYS_mincore, false, 0},
    {SYS_mprotect, false, PROT_READ},
    {SYS_mremap, false, 0},
    {SYS_pread64, false, 0},
    {SYS_prlimit64, false, 0},
    {SYS_pwrite64, false, 0},
    {SYS_read, false, 0},
    {SYS_readlinkat, false, 0},
    {SYS_rt_sigprocmask, false, 0},
    {SYS_sched_getaffinity, false, 0},
    {SYS_shmat, false, 0},
    {SYS_shmctl, false, 0},
    {SYS_shmdt, false, 0},
    {SYS_shmget, false, 0},
    {SYS_statx, false, 0},
    {SYS_wait4, false, 0},
};

static bool permits(const struct sock_fprog *program, const struct call *call)
{
    const struct seccomp_data data = {
        .nr = call->number, .arch = ARCH, .args = {[2] = call->third_argument}};

    switch (action_for(program, &data)) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
        return false;
    case SECCOMP_RET_ERRNO:
        return !call->needed;
    default:
        return true;
    }
}

/* Returns whether the library does not work under the filter. */
static bool is_harmful(const struct sock_fprog *program)
{
    if (ARCH == 0)
        return true;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (!permits(program, &calls[i]))
            return true;
    return false;
}

/* -- For the program --------------------------------------------------------------------------- */

bool call_filters_begin(unsigned mode, const void *program)
{
    if (mode != SECCOMP_SET_MODE_STRICT && (mode != SECCOMP_SET_MODE_FILTER || program == NULL))
        return false;
    if (preload_is_withdrawn() || !descriptors_are_own_process())
        return false;
    if (mode == SECCOMP_SET_MODE_FILTER && !is_harmful(program))
        return false;
    preload_withdraw();
    return true;
}

void call_filters_end(bool withdrawn, bool installed)
{
    if (!withdrawn)
        return;
    if (installed)
        leave_out_children();
    else
        preload_return();
}
