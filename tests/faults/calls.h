/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls that the library makes of libc and the kernel, each of which can be made to fail.
 *
 * calls.c defines these functions in the program, where the library and the jemalloc in it find
 * them before libc's. A call is watched if its thread has set calls_watched. While counting is on,
 * watched calls are counted from 1 for each function, and fail as planned. syscall(2) of mbind(2)
 * is a function of its own, and that of close(2) is close.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Each function with the errors that it may plausibly return, up to a 0. No error: calls are only
 * counted.
 */
#define CALLS(CALL)                                                                   \
    CALL(mmap, ENOMEM, 0)                                                             \
    CALL(munmap, ENOMEM, 0)                                                           \
    CALL(mprotect, ENOMEM, 0)                                                         \
    CALL(madvise, ENOMEM, EAGAIN, EINVAL, EPERM, 0)                                   \
    CALL(sbrk, ENOMEM, 0)                                                             \
    CALL(open, EMFILE, ENFILE, EACCES, ENOMEM, 0)                                     \
    CALL(openat, EMFILE, ENFILE, EACCES, EROFS, ENOSPC, EDQUOT, EINTR, EOPNOTSUPP, 0) \
    CALL(unlinkat, EROFS, EIO, 0)                                                     \
    CALL(close, 0)                                                                    \
    CALL(fallocate, ENOSPC, EDQUOT, EFBIG, ENOMEM, EIO, EINTR, EOPNOTSUPP, EPERM, 0)  \
    CALL(ftruncate, ENOSPC, EFBIG, EINTR, 0)                                          \
    CALL(pwrite, ENOSPC, EIO, EINTR, 0)                                               \
    CALL(fstat, EIO, ENOMEM, 0)                                                       \
    CALL(statx, EIO, ENOSYS, 0)                                                       \
    CALL(fstatvfs, EIO, ENOSYS, 0)                                                    \
    CALL(getrandom, EINTR, ENOSYS, 0)                                                 \
    CALL(sched_getaffinity, EINVAL, 0)                                                \
    CALL(mbind, ENOMEM, EPERM, ENOSYS, 0)                                             \
    CALL(syscall, ENOSYS, EPERM, 0)                                                   \
    CALL(pthread_mutex_init, ENOMEM, 0)                                               \
    CALL(pthread_mutexattr_init, 0)                                                   \
    CALL(pthread_cond_init, ENOMEM, 0)                                                \
    CALL(pthread_key_create, EAGAIN, ENOMEM, 0)                                       \
    CALL(pthread_setspecific, ENOMEM, 0)                                              \
    CALL(malloc, ENOMEM, 0)                                                           \
    CALL(calloc, ENOMEM, 0)                                                           \
    CALL(realloc, ENOMEM, 0)

enum call {
#define CALLS_ID(name, ...) CALL_##name,
    CALLS(CALLS_ID)
#undef CALLS_ID
        CALL_COUNT
};

extern const char *const calls_names[CALL_COUNT];

/* The errors of each function, up to a 0. */
extern const int *const calls_errors[CALL_COUNT];

/* Pretends a poor file system: no nameless files, no fallocate(2), no holes. */
extern bool calls_poor;

/* True while this thread is inside the library. */
extern _Thread_local bool calls_watched;

/* The value of a library call, during which the thread is watched. */
#define WATCHED(expression)                           \
    __extension__({                                   \
        calls_watched = true;                         \
        __typeof__(expression) value_ = (expression); \
        calls_watched = false;                        \
        value_;                                       \
    })

struct calls_plan {
    enum call call;
    unsigned long first; /* the number of the first call that fails; 0: none does */
    unsigned long times; /* how many calls fail from the first on */
    int error;
};

/* Resets all counts, sets the plan, and turns counting off. */
void calls_begin(const struct calls_plan *plan);

/* Turns counting on or off. Calls fail only while counting is on. */
void calls_turn(bool on);

/* The number of watched calls so far, and of those that were made to fail. */
unsigned long calls_seen(enum call call);
unsigned long calls_failed(void);

/* Whether calls of this function have failed. */
bool calls_failed_of(enum call call);

/* Returns whether a call failed that would have released file space or removed a name. */
bool calls_kept_space(void);
bool calls_kept_name(void);

/* Unmaps the ranges of munmap(2) calls that were made to fail. */
void calls_unmap_refused(void);

/* The number of blocks that the library has allocated by malloc(3) and its family and not freed. */
long calls_blocks(void);
