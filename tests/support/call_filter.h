/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of system calls such as containers install: seccomp(2), without libseccomp.
 *
 * A filter applies to the calling thread, and to the threads and programs that it starts later.
 */
#pragma once

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers make system calls themselves, and end the process if these fail. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define CALL_FILTER_SANITIZED true
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define CALL_FILTER_SANITIZED true
#    endif
#endif
#ifndef CALL_FILTER_SANITIZED
#    define CALL_FILTER_SANITIZED false
#endif

#define CALL_FILTER_KILL (-1) /* instead of an error: SIGSYS ends the process */
#define CALL_FILTER_MOST 8    /* rules of one filter */

/* A system call. If `masked` is not 0, only calls whose argument has one of these bits. */
struct call_filter_rule {
    long call;
    unsigned argument;
    unsigned masked;
    int error;
};

#if defined(__x86_64__)
#    define CALL_FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#    define CALL_FILTER_ARCH AUDIT_ARCH_AARCH64
#else
#    define CALL_FILTER_ARCH 0 /* filters are not supported here */
#endif

static inline unsigned call_filter_action(int error)
{
    return error == CALL_FILTER_KILL ? SECCOMP_RET_KILL_PROCESS
                                     : SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA);
}

/* Installs the filter. False: this machine has no filters, and nothing has changed. */
static inline bool call_filter_install(const struct call_filter_rule *rules, size_t count)
{
    const unsigned number = offsetof(struct seccomp_data, nr);
    struct sock_filter code[4 + CALL_FILTER_MOST * 6];
    unsigned short used = 0;

    if (CALL_FILTER_ARCH == 0 || count > CALL_FILTER_MOST)
        return false;
    code[used++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_FILTER_ARCH, 1, 0);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < count; i++) {
        const struct call_filter_rule *rule = &rules[i];
        /* The lower half: all machines above are little-endian. */
        const unsigned argument =
            (unsigned)offsetof(struct seccomp_data, args) + rule->argument * 8u;
        const unsigned char next = rule->masked != 0 ? 3 : 1;

        code[used++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number);
        code[used++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)rule->call, 0, next);
        if (rule->masked != 0) {
            code[used++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument);
            code[used++] =
                (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, rule->masked, 0, 1);
        }
        code[used++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, call_filter_action(rule->error));
    }
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                 &(struct sock_fprog){.len = used, .filter = code}) == 0;
}
