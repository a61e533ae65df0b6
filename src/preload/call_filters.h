/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that install filters of system calls (seccomp(2)) for themselves, as sandboxes do.
 *
 * Such a filter may kill the process at a call that the kinds need, such as fallocate(2). So before
 * the program installs one, the filter is run on these calls. If one of them would be killed, or
 * one without which there is no heap in a file would fail, the kinds are withdrawn: from then on
 * libc serves all requests, a block of a kind that is freed stays allocated, and one that is
 * resized moves to libc's heap. No call of libmemkind is made that makes system calls. Programs
 * that the process executes later inherit the filter, and are started without the library.
 *
 * Everything here may be called in a child of vfork(2), which has its parent's memory: there
 * nothing is withdrawn.
 */
#pragma once

#include <stdbool.h>

/*
 * Before seccomp(2) or prctl(2) sets a mode: withdraws the kinds if need be. `mode` is
 * SECCOMP_SET_MODE_STRICT or SECCOMP_SET_MODE_FILTER, and `program` a struct sock_fprog for the
 * latter. Returns whether the kinds were withdrawn by this call.
 */
bool call_filters_begin(unsigned mode, const void *program);

/* After the call. `withdrawn` is what call_filters_begin() has returned. Makes no system call. */
void call_filters_end(bool withdrawn, bool installed);
