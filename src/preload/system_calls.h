/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of libc by which programs fork without handlers, install a filter of system calls, or
 * lose sight of directories.
 * libc declares them with a variable number of arguments; here all arguments are passed on.
 */
#pragma once

#include "preload/export.h"

/* syscall(2) */
long system_calls_syscall(long number, unsigned long a, unsigned long b, unsigned long c,
                          unsigned long d, unsigned long e,
                          unsigned long f) __asm__("syscall") EXPORT;

/* prctl(2) */
int system_calls_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
                       unsigned long d) __asm__("prctl") EXPORT;

/* clone(2) */
int system_calls_clone(int (*function)(void *), void *stack, int flags, void *argument,
                       void *parent_tid, void *tls, void *child_tid) __asm__("clone") EXPORT;

/* _Fork(3) */
int system_calls_fork(void) __asm__("_Fork") EXPORT;

/* chroot(2) */
int system_calls_chroot(const char *path) __asm__("chroot") EXPORT;
