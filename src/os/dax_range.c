/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of a DAX device, of which each belongs to one holder. */
#include "os/dax_range.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/dax_device.h"
#include "os/descriptor.h"
#include "util/cancel.h"

static int dax_range_open(const char *path)
{
    int fd;

    do {
        fd = open(path, O_RDWR | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd >= 0 ? descriptor_raise(fd) : -errno;
}

/*
 * Locks [start, start + size). Where another lock is in the way, *next is the end of that lock:
 * a range that begins before *next meets the lock as well. *next is 0 where the lock is gone
 * meanwhile.
 */
static int dax_range_lock(int fd, off_t start, size_t size, off_t *next)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = (off_t)size};

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    if ((errno != EAGAIN && errno != EACCES) || fcntl(fd, F_OFD_GETLK, &lock) != 0)
        return -errno;
    if (lock.l_type == F_UNLCK)
        *next = 0;
    else if (lock.l_len == 0 || __builtin_add_overflow(lock.l_start, lock.l_len, next))
        return -EBUSY;
    return -EAGAIN;
}

static int dax_range_lock_first(int fd, const struct dax_device *device, size_t size, off_t *offset)
{
    off_t alignment = (off_t)device->alignment;
    off_t start = 0;
    off_t next = 0;

    while (size <= device->size && start <= (off_t)(device->size - size)) {
        int error = dax_range_lock(fd, start, size, &next);

        if (error == 0)
            *offset = start;
        if (error != -EAGAIN)
            return error;
        if (next != 0)
            start = (next - 1) / alignment * alignment + alignment;
    }
    return -EBUSY;
}

static int dax_range_take_held(const char *path, const struct dax_device *device, size_t size,
                               struct dax_range *range)
{
    struct dax_range taken = {.fd = dax_range_open(path)};

    if (taken.fd < 0)
        return taken.fd;
    int error = descriptor_identify(taken.fd, &taken.file);
    if (error == 0)
        error = dax_range_lock_first(taken.fd, device, size, &taken.offset);
    if (error == 0)
        *range = taken;
    else
        close(taken.fd);
    return error;
}

int dax_range_take(const char *path, const struct dax_device *device, size_t size,
                   struct dax_range *range)
{
    int cancel = cancel_hold();
    int error = dax_range_take_held(path, device, size, range);

    cancel_restore(cancel);
    return error;
}
