/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system with few features: the program defines fallocate() and madvise(), which the library
 * then calls. Both count the calls, and fail when the test demands. Include once.
 */
#pragma once

#include "api/fixture.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct {
    int commit_error; /* errno of fallocate() of more than largest_piece; 0: success */
    size_t largest_piece;
    int release_error;     /* errno of punching holes; 0: success */
    atomic_int interrupts; /* how many more calls fail with EINTR */
} store;

static atomic_ulong fallocate_calls;

static inline int fail_with(int error)
{
    errno = error;
    return -1;
}

/* The library must find this function before libc's, whatever the compiler's default visibility. */
__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t offset, off_t length)
{
    atomic_fetch_add(&fallocate_calls, 1);
    if (mode != 0 && store.release_error != 0)
        return fail_with(store.release_error);
    if (mode == 0 && store.commit_error != 0 && (size_t)length > store.largest_piece)
        return fail_with(store.commit_error);
    if (mode == 0 && atomic_load(&store.interrupts) > 0 &&
        atomic_fetch_sub(&store.interrupts, 1) > 0)
        return fail_with(EINTR);
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

/* Fails like a kernel without MADV_POPULATE_WRITE, while fallocate() is to fail. */
__attribute__((visibility("default"))) int madvise(void *addr, size_t length, int advice)
{
    if (advice == MADV_POPULATE_WRITE &&
        (store.commit_error != 0 || atomic_load(&store.interrupts) > 0))
        return fail_with(EINVAL);
    /*
     * MADV_REMOVE, which needs no descriptor, also fails where the file system cannot punch holes.
     */
    if (advice == MADV_REMOVE && store.release_error != 0)
        return fail_with(store.release_error);
    return (int)syscall(SYS_madvise, addr, length, advice);
}

static inline int store_teardown(void **state)
{
    store.commit_error = 0;
    store.release_error = 0;
    atomic_store(&store.interrupts, 0);
    return fixture_teardown(state);
}

#define STORE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_setup, store_teardown)
