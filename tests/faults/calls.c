/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that the library makes of libc and the kernel, each of which can be made to fail. */
#include "faults/calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* The library must find these functions, whatever the compiler's default visibility. */
#define EXPORTED     __attribute__((visibility("default")))
#define REFUSED_MOST 4096
#define PAGE         ((size_t)4096)

const char *const calls_names[CALL_COUNT] = {
#define CALLS_NAME(name, ...) #name,
    CALLS(CALLS_NAME)
#undef CALLS_NAME
};

#define CALLS_ERRORS(name, ...) static const int errors_of_##name[] = {__VA_ARGS__};
CALLS(CALLS_ERRORS)
#undef CALLS_ERRORS

const int *const calls_errors[CALL_COUNT] = {
#define CALLS_ERRORS_OF(name, ...) errors_of_##name,
    CALLS(CALLS_ERRORS_OF)
#undef CALLS_ERRORS_OF
};

bool calls_poor;
_Thread_local bool calls_watched;

static struct calls_plan plan;
static bool counting;
static bool kept_space;
static bool kept_name;
static unsigned long seen[CALL_COUNT];
static unsigned long failed;
static long blocks;

static struct {
    void *address;
    size_t size;
} refused[REFUSED_MOST];
static size_t refused_count;

void calls_begin(const struct calls_plan *fresh)
{
    plan = *fresh;
    counting = false;
    kept_space = false;
    kept_name = false;
    memset(seen, 0, sizeof(seen));
    failed = 0;
    blocks = 0;
    refused_count = 0;
}

void calls_turn(bool on)
{
    counting = on;
}

unsigned long calls_seen(enum call call)
{
    return seen[call];
}

unsigned long calls_failed(void)
{
    return failed;
}

bool calls_failed_of(enum call call)
{
    return failed != 0 && plan.call == call;
}

bool calls_kept_space(void)
{
    return kept_space || calls_poor;
}

bool calls_kept_name(void)
{
    return kept_name;
}

void calls_unmap_refused(void)
{
    while (refused_count > 0) {
        refused_count--;
        munmap(refused[refused_count].address, refused[refused_count].size);
    }
}

long calls_blocks(void)
{
    return blocks;
}

/* Returns whether this call is to fail. */
static bool fails(enum call call)
{
    if (!counting || !calls_watched)
        return false;
    unsigned long number = ++seen[call];
    bool hit = call == plan.call && plan.first != 0 && number >= plan.first &&
               number - plan.first < plan.times;
    failed += hit;
    return hit;
}

/*
 * Returns the next definition of the function after this program's. Calls of dlsym(3) are not
 * watched.
 */
static void *find(const char *name)
{
    bool watched = calls_watched;

    calls_watched = false;
    void *function = dlsym(RTLD_NEXT, name);
    calls_watched = watched;
    if (function == NULL)
        abort();
    return function;
}

#define REAL(type, name, parameters) \
    static type(*real) parameters;   \
    if (real == NULL)                \
    *(void **)&real = find(#name)

/* -- Functions that set errno ------------------------------------------------------------------ */

#define INTERPOSE(type, failure, name, parameters, arguments) \
    EXPORTED type name parameters                             \
    {                                                         \
        if (fails(CALL_##name)) {                             \
            errno = plan.error;                               \
            return failure;                                   \
        }                                                     \
        REAL(type, name, parameters);                         \
        return real arguments;                                \
    }

INTERPOSE(void *, MAP_FAILED, mmap,
          (void *addr, size_t size, int protection, int flags, int fd, off_t offset),
          (addr, size, protection, flags, fd, offset))
INTERPOSE(int, -1, mprotect, (void *addr, size_t size, int protection), (addr, size, protection))
INTERPOSE(void *, MAP_FAILED, sbrk, (intptr_t increment), (increment))
INTERPOSE(int, -1, ftruncate, (int fd, off_t size), (fd, size))
INTERPOSE(ssize_t, -1, pwrite, (int fd, const void *buffer, size_t size, off_t offset),
          (fd, buffer, size, offset))
INTERPOSE(int, -1, fstat, (int fd, struct stat *status), (fd, status))
INTERPOSE(int, -1, statx,
          (int fd, const char *path, int flags, unsigned mask, struct statx *status),
          (fd, path, flags, mask, status))
INTERPOSE(int, -1, fstatvfs, (int fd, struct statvfs *fs), (fd, fs))
INTERPOSE(ssize_t, -1, getrandom, (void *buffer, size_t size, unsigned flags),
          (buffer, size, flags))
INTERPOSE(int, -1, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *cpus), (pid, size, cpus))
INTERPOSE(int, -1, close, (int fd), (fd))

static int fail(void)
{
    errno = plan.error;
    return -1;
}

EXPORTED int munmap(void *addr, size_t size)
{
    if (fails(CALL_munmap)) {
        if (refused_count == REFUSED_MOST)
            abort();
        refused[refused_count].address = addr;
        refused[refused_count++].size = size;
        return fail();
    }
    REAL(int, munmap, (void *, size_t));
    return real(addr, size);
}

/* The mode, the only argument that may follow. */
static unsigned mode_of(int flags, va_list *arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(*arguments, unsigned) : 0;
}

EXPORTED int open(const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    unsigned mode = mode_of(flags, &arguments);
    va_end(arguments);
    if (fails(CALL_open))
        return fail();
    REAL(int, open, (const char *, int, ...));
    return real(path, flags, mode);
}

EXPORTED int openat(int dir, const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    unsigned mode = mode_of(flags, &arguments);
    va_end(arguments);
    if (fails(CALL_openat))
        return fail();
    if (calls_poor && calls_watched && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    REAL(int, openat, (int, const char *, int, ...));
    return real(dir, path, flags, mode);
}

EXPORTED int unlinkat(int dir, const char *path, int flags)
{
    if (fails(CALL_unlinkat)) {
        kept_name = true;
        return fail();
    }
    REAL(int, unlinkat, (int, const char *, int));
    return real(dir, path, flags);
}

/* A full file system may have allocated a part of the range before the call fails. */
static size_t half(off_t length)
{
    return (size_t)length / 2 / PAGE * PAGE;
}

EXPORTED int fallocate(int fd, int mode, off_t offset, off_t length)
{
    REAL(int, fallocate, (int, int, off_t, off_t));
    if (fails(CALL_fallocate)) {
        if (mode != 0)
            kept_space = true;
        else if (plan.error == ENOSPC && half(length) != 0)
            real(fd, mode, offset, (off_t)half(length));
        return fail();
    }
    if (calls_poor && calls_watched) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return real(fd, mode, offset, length);
}

EXPORTED int madvise(void *addr, size_t size, int advice)
{
    if (fails(CALL_madvise))
        return fail();
    if (calls_poor && calls_watched && advice == MADV_REMOVE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    REAL(int, madvise, (void *, size_t, int));
    return real(addr, size, advice);
}

static enum call call_of(long number)
{
    switch (number) {
    case SYS_mbind:
        return CALL_mbind;
    case SYS_close:
        return CALL_close;
    default:
        return CALL_syscall;
    }
}

EXPORTED long syscall(long number, ...)
{
    enum { MOST = 6 };
    long arguments[MOST];
    va_list list;

    va_start(list, number);
    for (size_t i = 0; i < MOST; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (fails(call_of(number)))
        return fail();
    REAL(long, syscall, (long, ...));
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}

/* -- Functions that return the error ----------------------------------------------------------- */

#define INTERPOSE_CODE(name, parameters, arguments) \
    EXPORTED int name parameters                    \
    {                                               \
        if (fails(CALL_##name))                     \
            return plan.error;                      \
        REAL(int, name, parameters);                \
        return real arguments;                      \
    }

INTERPOSE_CODE(pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes),
               (mutex, attributes))
INTERPOSE_CODE(pthread_mutexattr_init, (pthread_mutexattr_t * attributes), (attributes))
INTERPOSE_CODE(pthread_cond_init, (pthread_cond_t * cond, const pthread_condattr_t *attributes),
               (cond, attributes))
INTERPOSE_CODE(pthread_key_create, (pthread_key_t * key, void (*destructor)(void *)),
               (key, destructor))
INTERPOSE_CODE(pthread_setspecific, (pthread_key_t key, const void *value), (key, value))

/* -- libc's heap ------------------------------------------------------------------------------- */

/*
 * glibc's other names for its functions: dlsym(3) itself may call them, and the library's own data
 * is allocated by some of these names, so the program defines these names as well.
 */
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_realloc(void *block, size_t size);

#define ALIGNMENT _Alignof(max_align_t)

static void *real_malloc(size_t size)
{
    return __libc_memalign(ALIGNMENT, size);
}

static void *real_calloc(size_t count, size_t size)
{
    size_t bytes;
    void *block = !__builtin_mul_overflow(count, size, &bytes) ? real_malloc(bytes) : NULL;

    return block != NULL ? memset(block, 0, bytes) : NULL;
}

/* With a size of 0, glibc frees the block. */
static void real_free(void *block)
{
    if (block != NULL)
        (void)!__libc_realloc(block, 0);
}

static void *fail_block(void)
{
    errno = plan.error;
    return NULL;
}

static void *count_block(void *block)
{
    blocks += calls_watched && block != NULL;
    return block;
}

EXPORTED void *malloc(size_t size)
{
    return fails(CALL_malloc) ? fail_block() : count_block(real_malloc(size));
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return fails(CALL_calloc) ? fail_block() : count_block(real_calloc(count, size));
}

EXPORTED void *realloc(void *block, size_t size)
{
    if (fails(CALL_realloc))
        return fail_block();
    void *moved = __libc_realloc(block, size);
    return block == NULL ? count_block(moved) : moved;
}

EXPORTED void free(void *block)
{
    blocks -= calls_watched && block != NULL;
    real_free(block);
}

EXPORTED void *__libc_malloc(size_t size);
EXPORTED void *__libc_calloc(size_t count, size_t size);
EXPORTED void __libc_free(void *block);

void *__libc_malloc(size_t size)
{
    return malloc(size);
}

void *__libc_calloc(size_t count, size_t size)
{
    return calloc(count, size);
}

void __libc_free(void *block)
{
    free(block);
}
