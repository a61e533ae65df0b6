/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings of a nameless file that are private for a time. */
#include "os/frozen_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "os/late_unmap.h"
#include "util/cancel.h"

static int map_anew(int flags, int fd, void *addr, size_t size, off_t offset, int protection)
{
    int saved_errno = errno;
    void *mapped = mmap(addr, size, protection, flags | MAP_FIXED | MAP_NORESERVE, fd, offset);
    int err = mapped == MAP_FAILED ? -errno : 0;

    errno = saved_errno;
    return err;
}

/*
 * Gives the same advice as tmpfile_map(), where the reasons stand. An error is ignored: the advice
 * only makes page faults cheaper.
 */
static void advise(void *addr, size_t size, int advice)
{
    int saved_errno = errno;

    (void)madvise(addr, size, advice);
    errno = saved_errno;
}

int frozen_map_private(int fd, void *addr, size_t size, off_t offset, int protection,
                       bool in_memory)
{
    late_unmap_move(addr, size);
    int err = map_anew(MAP_PRIVATE, fd, addr, size, offset, protection);
    if (err == 0 && !in_memory)
        advise(addr, size, MADV_RANDOM);
    return err;
}

int frozen_map_shared(int fd, void *addr, size_t size, off_t offset, int protection, bool in_memory)
{
    int err = map_anew(MAP_SHARED, fd, addr, size, offset, protection);

    if (err == 0)
        advise(addr, size, in_memory ? MADV_HUGEPAGE : MADV_RANDOM);
    return err;
}

int frozen_map_protect(void *addr, size_t size, int protection)
{
    int saved_errno = errno;
    int err = mprotect(addr, size, protection) == 0 ? 0 : -errno;

    errno = saved_errno;
    return err;
}

int frozen_map_reserve(int fd, off_t offset, size_t size)
{
    int saved_errno = errno;
    int cancel = cancel_hold();
    int err;

    do {
        err = fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, (off_t)size) == 0 ? 0 : -errno;
    } while (err == -EINTR);
    cancel_restore(cancel);
    errno = saved_errno;
    return err == -ENOSYS || err == -EPERM ? -EOPNOTSUPP : err;
}
