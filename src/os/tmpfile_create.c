/* SPDX-License-Identifier: BSD-2-Clause */
/* How files without a name are made. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "os/directory.h"
#include "os/tmpfile.h"
#include "os/tmpfile_internal.h"
#include "util/cancel.h"
#include "util/log.h"

#define TMPFILE_MODE        0600
#define TMPFILE_NAME_FORMAT ".memkind-%016" PRIx64
#define TMPFILE_NAME_SIZE   sizeof(".memkind-0123456789abcdef")
#define TMPFILE_MEMORY_NAME "memkind" /* in /proc */

/* Whether O_TMPFILE failed because the file system or the kernel does not have it. */
static bool tmpfile_nameless_unknown(int error)
{
    return error == -EOPNOTSUPP || error == -EISDIR || error == -ENOENT || error == -EINVAL;
}

static int tmpfile_openat(int dirfd, const char *name, int flags)
{
    int fd;

    do {
        fd = openat(dirfd, name, flags | O_RDWR | O_CLOEXEC, TMPFILE_MODE);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* In place of a random number. A name that is taken costs one more attempt. */
static uint64_t tmpfile_time(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ((uint64_t)getpid() << 32) ^ ((uint64_t)now.tv_sec << 30) ^ (uint64_t)now.tv_nsec;
}

static void tmpfile_random_name(char name[TMPFILE_NAME_SIZE])
{
    uint64_t number;
    ssize_t length;

    do {
        length = getrandom(&number, sizeof(number), 0);
    } while (length < 0 && errno == EINTR);
    if (length != sizeof(number))
        number = tmpfile_time();
    snprintf(name, TMPFILE_NAME_SIZE, TMPFILE_NAME_FORMAT, number);
}

/* Makes a file with a new name. Returns its descriptor or -errno. */
static int tmpfile_open_named(int dirfd, char name[TMPFILE_NAME_SIZE])
{
    int result = -EEXIST;

    for (int i = 0; i < TMPFILE_NAME_TRIES && result == -EEXIST; i++) {
        tmpfile_random_name(name);
        result = tmpfile_openat(dirfd, name, O_CREAT | O_EXCL | O_NOFOLLOW);
    }
    return result;
}

static int tmpfile_create_unlinked(const struct directory *dir, int dirfd)
{
    char name[TMPFILE_NAME_SIZE];
    int error;
    int fd = tmpfile_open_named(dirfd, name);

    if (fd < 0)
        return fd;
    if (unlinkat(dirfd, name, 0) != 0) {
        error = -errno;
        close(fd);
        log_error("%s/%s cannot be removed (error %d)", directory_path(dir), name, -error);
        return error;
    }
    return fd;
}

/* As tmpfile_create(), without O_TMPFILE. */
static int tmpfile_create_named(const struct directory *dir, int dirfd)
{
    sigset_t all;
    sigset_t old;
    int result;

    /* A signal handler that ends the process, or jumps, would leave the name behind. */
    sigfillset(&all);
    result = -pthread_sigmask(SIG_SETMASK, &all, &old);
    if (result != 0)
        return result;
    result = tmpfile_create_unlinked(dir, dirfd);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

static int tmpfile_create_at(const struct directory *dir, int dirfd)
{
    int result = tmpfile_openat(dirfd, ".", O_TMPFILE);

    return tmpfile_nameless_unknown(result) ? tmpfile_create_named(dir, dirfd) : result;
}

int tmpfile_create(const struct directory *dir)
{
    int cancel = cancel_hold();
    int dirfd = directory_take_fd(dir);
    int result = dirfd;

    if (dirfd >= 0) {
        result = tmpfile_create_at(dir, dirfd);
        directory_put_fd(dir, dirfd);
        if (result >= 0)
            result = descriptor_raise(result);
    }
    cancel_restore(cancel);
    return result;
}

int tmpfile_create_in_memory(void)
{
    int cancel = cancel_hold();
    int fd = memfd_create(TMPFILE_MEMORY_NAME, MFD_CLOEXEC);
    int result = fd < 0 ? -errno : descriptor_raise(fd);

    cancel_restore(cancel);
    return result;
}
