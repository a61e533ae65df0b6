/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts libmemkind's fork handlers before all others, as a malloc requires: handlers before a fork
 * run in the reverse order of registration, handlers after it in that order. Libraries with which a
 * program is linked start before this one. If their handlers stayed first, they would free blocks
 * while the allocator's locks are held, and write to their parent's blocks before the child has its
 * own.
 *
 * Therefore the handlers of others wait until libmemkind has registered its own. A fork in between,
 * in a library's constructor, runs without them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "preload/preload.h"

#include "util/lock.h"

#define ATFORK_MOST 256 /* most handlers that can wait */
#define OURS_MOST   4

/* The function behind pthread_atfork(3), with a handle of the calling library. */
EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *library);

typedef int atfork_function(void (*)(void), void (*)(void), void (*)(void), void *);

struct atfork {
    void (*prepare)(void);
    void (*parent)(void);
    void (*child)(void);
    void *library;
};

extern void *__dso_handle __attribute__((visibility("hidden")));

static struct atfork ours[OURS_MOST]; /* as registered: libmemkind's first */
static size_t ours_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct atfork waiting[ATFORK_MOST];
static size_t waiting_count;
static atomic_bool released;

static int register_now(const struct atfork *handlers)
{
    atfork_function *function;

    *(void **)&function = preload_find_in_libc("__register_atfork");
    if (function == NULL)
        return ENOSYS;
    return function(handlers->prepare, handlers->parent, handlers->child, handlers->library);
}

/* Returns whether the address is in libmemkind or in this library. */
static bool is_ours(void *library)
{
    uintptr_t code = (uintptr_t)dlsym(RTLD_DEFAULT, "memkind_malloc");

    return library == &__dso_handle || callers_are_in_one(code, (uintptr_t)library);
}

static int wait_or_register(const struct atfork *handlers)
{
    if (atomic_load(&released))
        return register_now(handlers);
    if (waiting_count == ATFORK_MOST)
        return ENOMEM;
    waiting[waiting_count++] = *handlers;
    return 0;
}

/* Before threads start. */
static int register_ours(const struct atfork *handlers)
{
    if (ours_count < OURS_MOST)
        ours[ours_count++] = *handlers;
    return register_now(handlers);
}

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *library)
{
    const struct atfork handlers = {prepare, parent, child, library};

    /* A fork may leave the lock held. After all handlers are released, no thread acquires it. */
    if (atomic_load(&released))
        return register_now(&handlers);
    if (is_ours(library))
        return register_ours(&handlers);
    lock_acquire(&lock, LOCK_ATFORK);
    int err = wait_or_register(&handlers);
    lock_release(&lock);
    return err;
}

void preload_release_atfork(void)
{
    lock_acquire(&lock, LOCK_ATFORK);
    atomic_store(&released, true);
    for (size_t i = 0; i < waiting_count; i++)
        (void)register_now(&waiting[i]);
    lock_release(&lock);
}

void preload_before_raw_fork(void)
{
    for (size_t i = ours_count; i > 0; i--)
        ours[i - 1].prepare();
}

void preload_after_raw_fork(bool in_child)
{
    for (size_t i = 0; i < ours_count; i++)
        (in_child ? ours[i].child : ours[i].parent)();
}
