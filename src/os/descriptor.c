/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors that the library keeps: with high numbers, and checked before use. */
#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cancel.h"

/* The first number that is no standard stream's. */
#define DESCRIPTOR_LEAST (STDERR_FILENO + 1)

#define DESCRIPTOR_MAPPED_SIZE (sizeof("/proc/self/map_files/-") + 4 * sizeof(uintptr_t))

/* -- Numbers ----------------------------------------------------------------------------------- */

static int descriptor_ceiling(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > DESCRIPTOR_CEILING)
        return DESCRIPTOR_CEILING;
    return (int)limit.rlim_cur;
}

/* Duplicates fd to a number of at least `least`, and closes fd; -1 where no such number is free. */
static int descriptor_move(int fd, int least)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, least);

    if (moved >= 0)
        close(fd);
    return moved;
}

int descriptor_raise(int fd)
{
    int saved_errno = errno;
    int ceiling = descriptor_ceiling();
    int raised = -1;

    /* First the highest sixteenth of the numbers, then more. */
    for (int part = 16; part > 1 && raised < 0; part /= 2) {
        int least = ceiling - ceiling / part;

        if (least < DESCRIPTOR_LEAST)
            least = DESCRIPTOR_LEAST;
        raised = fd >= least ? fd : descriptor_move(fd, least);
    }
    if (raised < 0)
        raised = fd >= DESCRIPTOR_LEAST ? fd : descriptor_move(fd, DESCRIPTOR_LEAST);
    if (raised < 0) {
        close(fd);
        raised = -EMFILE;
    }
    errno = saved_errno;
    return raised;
}

int descriptor_duplicate(int fd)
{
    int saved_errno = errno;
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTOR_LEAST);
    int error = duplicate >= 0 ? 0 : -errno;

    errno = saved_errno;
    if (duplicate >= 0)
        return descriptor_raise(duplicate);
    /* EINVAL: no number is below the limit. */
    return error == -EINVAL ? -EMFILE : error;
}

/* -- Files ------------------------------------------------------------------------------------- */

int descriptor_identify(int fd, struct descriptor_file *file)
{
    int saved_errno = errno;
    struct stat status;
    int error = fstat(fd, &status) == 0 ? 0 : -errno;

    if (error == 0)
        *file = (struct descriptor_file){.device = status.st_dev, .inode = status.st_ino};
    errno = saved_errno;
    return error;
}

/* 0; -ENOENT where the number stands for another file, or -errno of fstat(2). */
static int descriptor_compare(int fd, const struct descriptor_file *file)
{
    struct descriptor_file found;
    int error = fd < 0 ? -EBADF : descriptor_identify(fd, &found);

    if (error == 0 && (found.device != file->device || found.inode != file->inode))
        return -ENOENT;
    return error;
}

bool descriptor_is(int fd, const struct descriptor_file *file)
{
    int error = descriptor_compare(fd, file);

    return error != -EBADF && error != -ENOENT;
}

void descriptor_close(int fd, const struct descriptor_file *file)
{
    int saved_errno = errno;
    int cancel = cancel_hold();

    if (descriptor_is(fd, file))
        close(fd);
    cancel_restore(cancel);
    errno = saved_errno;
}

/* Returns a new descriptor of the file that is mapped, -ENOENT if the path is another file. */
static int descriptor_open_mapped_held(const char *path, const struct descriptor_file *file)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    /* The program may have mapped another file there meanwhile. */
    if (descriptor_compare(fd, file) != 0) {
        close(fd);
        return -ENOENT;
    }
    return descriptor_raise(fd);
}

int descriptor_open_mapped(const void *addr, size_t size, const struct descriptor_file *file)
{
    char path[DESCRIPTOR_MAPPED_SIZE];
    uintptr_t first = (uintptr_t)addr;
    int saved_errno = errno;
    int cancel = cancel_hold();

    snprintf(path, sizeof(path), "/proc/self/map_files/%jx-%jx", (uintmax_t)first,
             (uintmax_t)(first + size));
    int fd = descriptor_open_mapped_held(path, file);
    cancel_restore(cancel);
    errno = saved_errno;
    return fd;
}
