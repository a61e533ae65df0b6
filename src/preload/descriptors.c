/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The preload library's descriptors in a program that closes or replaces descriptors.
 *
 * All of this may run in a signal handler, and in a child of vfork(2), which has its parent's
 * memory and a table of descriptors of its own: changes of that table are not recorded. The
 * functions that are called next may belong to another preloaded library.
 */
#include "preload/descriptors.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "preload/preload.h"

#define OWN_MOST  (SERVING_MOST_KINDS + 1)
#define LIST_SIZE 4096 /* of a part of a directory's list */

/* Missing in some libcs' headers. */
EXPORT int close_range(unsigned first, unsigned last, int flags);
EXPORT void closefrom(int first);

int descriptors_page = -1;

/* The process whose table of descriptors is known. Has a value, so as to lie in a page that each
 * process writes to at its end. */
static pid_t process = -1;

/* -- The next in line -------------------------------------------------------------------------- */

static struct {
    int (*close)(int fd);
    int (*dup2)(int fd, int wanted);
    int (*dup3)(int fd, int wanted, int flags);
    int (*close_range)(unsigned first, unsigned last, int flags);
} next;

static int system_close(int fd)
{
    return (int)syscall(SYS_close, fd);
}

static int system_dup2(int fd, int wanted)
{
    if (fd == wanted)
        return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
    return (int)syscall(SYS_dup3, fd, wanted, 0);
}

static int system_dup3(int fd, int wanted, int flags)
{
    return (int)syscall(SYS_dup3, fd, wanted, flags);
}

static int system_close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

/* Earlier, if the constructor of another library closes a descriptor. */
__attribute__((constructor(101))) static void find_next(void)
{
#define FIND(name)                                      \
    do {                                                \
        int saved_errno = errno;                        \
        *(void **)&next.name = dlsym(RTLD_NEXT, #name); \
        if (next.name == NULL)                          \
            next.name = system_##name;                  \
        errno = saved_errno;                            \
    } while (0)
    FIND(close_range);
    FIND(dup3);
    FIND(dup2);
    FIND(close);
#undef FIND
    process = getpid();
}

static inline void need_next(void)
{
    if (__builtin_expect(next.close == NULL, 0))
        find_next();
}

void descriptors_begin_child(void)
{
    process = getpid();
}

bool descriptors_are_own_process(void)
{
    return getpid() == process;
}

/* -- What is ours ------------------------------------------------------------------------------ */

/* Returns where the number of each of our descriptors is stored; NULL: there is none. */
static int *number_at(unsigned i)
{
    if (i == 0)
        return &descriptors_page;
    if (preload_kind() == NULL || i > preload.serving.count)
        return NULL;
    struct memkind_pmem *pmem = preload_file_of(preload.serving.kinds[i - 1]);
    return pmem != NULL ? &pmem->fd : NULL;
}

/* Atomic: another thread may change it. */
static inline int number_in(const int *own)
{
    return __atomic_load_n(own, __ATOMIC_RELAXED);
}

/* Returns whether the number still refers to a nameless file or a device. */
static bool is_still_there(int fd)
{
    struct stat status;
    int saved_errno = errno;
    bool there = fstat(fd, &status) == 0 &&
                 (S_ISCHR(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink == 0));

    errno = saved_errno;
    return there;
}

static __attribute__((noinline)) bool is_in_this_process(int fd)
{
    /* libmemkind's own calls of close() must succeed. */
    return preload_self.state != PRELOAD_BUSY && descriptors_are_own_process() &&
           is_still_there(fd);
}

/* Returns where the number is stored if it is one of ours, otherwise NULL. */
static inline int *find_own(int fd)
{
    for (unsigned i = 0; i < OWN_MOST; i++) {
        int *own = number_at(i);

        if (own != NULL && __builtin_expect(number_in(own) == fd, 0) && fd >= 0)
            return is_in_this_process(fd) ? own : NULL;
    }
    return NULL;
}

/* Returns the lowest of our numbers from `first` to `last`, or -1. */
static int lowest_own(unsigned first, unsigned last)
{
    int lowest = -1;

    for (unsigned i = 0; i < OWN_MOST; i++) {
        const int *own = number_at(i);
        int fd = own != NULL ? number_in(own) : -1;

        if (fd >= 0 && (unsigned)fd >= first && (unsigned)fd <= last &&
            (lowest < 0 || fd < lowest) && is_in_this_process(fd))
            lowest = fd;
    }
    return lowest;
}

/*
 * Moves one of our descriptors to another number. 0; -1 with EMFILE if no number is free: then the
 * program has none to spare either.
 */
static int move_away(int *own)
{
    int moved = descriptor_duplicate(*own);

    if (moved < 0) {
        errno = -moved;
        return -1;
    }
    __atomic_store_n(own, moved, __ATOMIC_RELEASE);
    return 0;
}

/* -- For the program --------------------------------------------------------------------------- */

EXPORT int close(int fd)
{
    need_next();
    if (find_own(fd) != NULL) {
        errno = EBADF;
        return -1;
    }
    return next.close(fd);
}

/*
 * Ends a call that was to replace the number of a descriptor that has moved. `result` is the
 * call's.
 */
static int finish_move(int result, int old)
{
    int saved_errno = errno;

    if (result < 0)
        next.close(old);
    errno = saved_errno;
    return result;
}

EXPORT int dup2(int fd, int wanted)
{
    need_next();
    int *own = fd != wanted ? find_own(wanted) : NULL;
    if (own == NULL)
        return next.dup2(fd, wanted);
    return move_away(own) == 0 ? finish_move(next.dup2(fd, wanted), wanted) : -1;
}

EXPORT int dup3(int fd, int wanted, int flags)
{
    need_next();
    int *own = fd != wanted ? find_own(wanted) : NULL;
    if (own == NULL)
        return next.dup3(fd, wanted, flags);
    return move_away(own) == 0 ? finish_move(next.dup3(fd, wanted, flags), wanted) : -1;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    int own;

    need_next();
    /* Skips each of ours. Invalid ranges are reported by the call itself. */
    while ((own = lowest_own(first, last)) >= 0) {
        if ((unsigned)own > first && next.close_range(first, (unsigned)own - 1, flags) != 0)
            return -1;
        if ((unsigned)own == last)
            return 0;
        first = (unsigned)own + 1;
    }
    return next.close_range(first, last, flags);
}

/* -- closefrom(3) on a kernel without close_range(2) ------------------------------------------- */

/* An entry of getdents64(2). */
struct entry {
    unsigned long long inode;
    long long offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/*
 * Closes the descriptors that a part of the list names, from `first` on. Returns whether there were
 * any.
 */
static bool close_listed(const char *list, long size, int first, int directory)
{
    bool any = false;

    for (long at = 0; at < size;) {
        const struct entry *entry = (const struct entry *)(list + at);
        int fd = entry->name[0] >= '0' && entry->name[0] <= '9' ? (int)strtol(entry->name, NULL, 10)
                                                                : -1;

        if (fd >= first && fd != directory && close(fd) == 0)
            any = true;
        at += entry->size;
    }
    return any;
}

/* Reads the list again until nothing is left, because it may change while it is read. */
static bool close_all_listed(int first)
{
    _Alignas(struct entry) char list[LIST_SIZE];
    int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long size;
    bool any;

    if (directory < 0)
        return false;
    do {
        any = false;
        (void)lseek(directory, 0, SEEK_SET);
        while ((size = syscall(SYS_getdents64, directory, list, sizeof(list))) > 0)
            any = close_listed(list, size, first, directory) || any;
    } while (any);
    next.close(directory);
    return size == 0;
}

EXPORT void closefrom(int first)
{
    int saved_errno = errno;
    int from = first > 0 ? first : 0;

    if (close_range((unsigned)from, UINT_MAX, 0) != 0 && !close_all_listed(from)) {
        long limit = sysconf(_SC_OPEN_MAX);

        for (long fd = from; fd < limit && fd <= INT_MAX; fd++)
            close((int)fd);
    }
    errno = saved_errno;
}
