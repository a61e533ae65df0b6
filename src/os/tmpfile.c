/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files without a name: what they hold, how mappings of them are populated and space is released.
 */
#include "os/tmpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/memory_room.h"
#include "os/tmpfile_internal.h"
#include "os/vm.h"
#include "util/cancel.h"
#include "util/signal_hold.h"

#define TMPFILE_STAT_BLOCK 512 /* the unit of st_blocks, on all file systems */

bool tmpfile_is_unsupported(int error)
{
    return error == -EOPNOTSUPP || error == -ENOSYS || error == -EPERM;
}

/*
 * Whether the file may be in memory. Where a filter of system calls refuses fstatfs(2): a file
 * system in memory has no block device, and device numbers with a major number of 0.
 */
static bool may_be_in_memory(int fd)
{
    struct statfs fs;
    struct stat status;

    if (fstatfs(fd, &fs) == 0)
        return fs.f_type == TMPFS_MAGIC;
    return fstat(fd, &status) == 0 && major(status.st_dev) == 0;
}

/*
 * f_bfree includes the reserve for root, so the function is never false where fallocate(2) would
 * succeed. A tmpfs without a limit reports no blocks at all.
 */
static bool file_system_has(int fd, size_t size)
{
    struct statvfs fs;

    if (fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0 || fs.f_frsize == 0)
        return true;
    return (size - 1) / fs.f_frsize < fs.f_bfree;
}

/*
 * To fill a tmpfs would starve all other users until the call fails and is undone. If the tmpfs may
 * take more memory than there is, the kernel ends processes instead.
 */
bool tmpfile_may_fit(int fd, size_t size)
{
    return file_system_has(fd, size) && (!may_be_in_memory(fd) || memory_room_has("", size));
}

/* -- Pages ------------------------------------------------------------------------------------- */

bool tmpfile_in_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

bool tmpfile_faults_reserve(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == EXT4_SUPER_MAGIC ||
                                     fs.f_type == XFS_SUPER_MAGIC);
}

static int tmpfile_populate_piece(char *addr, size_t size)
{
    int err = vm_populate(addr, size);

    switch (err) {
    case -EINVAL:
    case -ENOSYS:
    case -EPERM:
        return -EOPNOTSUPP;
    case -EFAULT:
        /* Where a page fault would raise SIGBUS. */
        return -ENOSPC;
    default:
        return err;
    }
}

int tmpfile_populate(int fd, void *addr, size_t size)
{
    int saved_errno = errno;
    char *next = addr;
    int error = 0;

    if (size > TMPFILE_LARGE && !tmpfile_may_fit(fd, size))
        return -ENOSPC;
    /* In pieces: the kernel blocks all calls that map memory of the process during each. */
    while (size > 0 && error == 0) {
        size_t piece = size < TMPFILE_LARGE ? size : TMPFILE_LARGE;

        error = tmpfile_populate_piece(next, piece);
        next += piece;
        size -= piece;
    }
    errno = saved_errno;
    return error;
}

bool tmpfile_has_page(int fd, off_t offset)
{
    int saved_errno = errno;
    off_t data = lseek(fd, offset, SEEK_DATA);
    bool missing = data > offset || (data < 0 && errno == ENXIO);

    errno = saved_errno;
    return !missing;
}

/* -- Contents ---------------------------------------------------------------------------------- */

static int tmpfile_write_pieces(int fd, const void *addr, size_t size, off_t offset)
{
    const char *next = addr;
    int error = 0;

    while (size > 0 && error == 0) {
        ssize_t written = pwrite(fd, next, size, offset);

        if (written > 0) {
            next += written;
            offset += written;
            size -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            error = written == 0 ? -EIO : -errno;
        }
    }
    return error;
}

/*
 * The limit does not apply to mappings. The range is populated first, since a write to a page
 * without file space, or behind the end of the file, would end the process.
 */
static int tmpfile_write_mapped(int fd, const void *addr, size_t size, off_t offset)
{
    void *mapped = NULL;
    int error = vm_map_file(&mapped, size, VM_WRITE, fd, offset);

    if (error != 0)
        return error;
    error = vm_populate(mapped, size);
    if (error == 0)
        memcpy(mapped, addr, size);
    (void)vm_unmap(mapped, size);
    return error;
}

/* The kernel sends SIGXFSZ with EFBIG, although the file would get no longer. */
static int tmpfile_write_beyond_limit(int fd, const void *addr, size_t size, off_t offset)
{
    struct signal_hold hold;

    if (tmpfile_write_mapped(fd, addr, size, offset) == 0)
        return 0;
    int error = signal_hold_begin(&hold, SIGXFSZ);
    if (error != 0)
        return error;
    error = tmpfile_write_pieces(fd, addr, size, offset);
    signal_hold_end(&hold, error == -EFBIG);
    return error;
}

int tmpfile_write(int fd, const void *addr, size_t size, off_t offset)
{
    int cancel = cancel_hold();
    int error = tmpfile_may_exceed_limit(offset + (off_t)size)
                    ? tmpfile_write_beyond_limit(fd, addr, size, offset)
                    : tmpfile_write_pieces(fd, addr, size, offset);

    cancel_restore(cancel);
    return error;
}

int tmpfile_release(int fd, off_t offset, size_t size)
{
    int cancel = cancel_hold();
    int error;

    do {
        error = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)size) == 0
                    ? 0
                    : -errno;
    } while (error == -EINTR);
    cancel_restore(cancel);
    return tmpfile_is_unsupported(error) ? -EOPNOTSUPP : error;
}

/* A kernel rejects unknown advice; an emulator that ignores advice accepts any. */
static bool follows_advice(void)
{
    enum { NO_ADVICE = -1 };

    return madvise(NULL, 0, NO_ADVICE) != 0;
}

int tmpfile_release_mapped(void *addr, size_t size)
{
    int saved_errno = errno;
    int error;

    do {
        error = madvise(addr, size, MADV_REMOVE) == 0 ? 0 : -errno;
    } while (error == -EINTR);
    if (error == 0 && !follows_advice())
        error = -EOPNOTSUPP;
    errno = saved_errno;
    return tmpfile_is_unsupported(error) ? -EOPNOTSUPP : error;
}

bool tmpfile_holds(int fd, off_t offset, size_t size, unsigned char *held)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (size + page - 1) / page;
    off_t end = offset + (off_t)size;
    off_t next = offset;
    int saved_errno = errno;
    bool any = false;

    memset(held, 0, pages);
    for (;;) {
        off_t data = lseek(fd, next, SEEK_DATA);

        if (data < 0 || data >= end)
            break;
        next = lseek(fd, data, SEEK_HOLE);
        if (next <= data)
            break;
        if (next > end)
            next = end;
        size_t first = (size_t)(data - offset) / page;
        memset(held + first, 1, ((size_t)(next - offset) + page - 1) / page - first);
        any = true;
    }
    errno = saved_errno;
    return any;
}

/*
 * A file in memory gets large pages where possible.
 *
 * Other file systems read ahead, and cache pages in large folios. The first write to a page of a
 * folio makes XFS and btrfs reserve space for the whole folio, holes included. Where there is no
 * space, that is SIGBUS in a page that has space. MADV_RANDOM makes folios of single pages. On
 * tmpfs, MADV_RANDOM would make the pages the first to be swapped. A kernel may reject the advice.
 */
int tmpfile_map(int fd, void *addr, size_t size, off_t offset, bool in_memory)
{
    const int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
    int saved_errno = errno;

    if (mmap(addr, size, PROT_NONE, flags, fd, offset) == MAP_FAILED)
        return -errno;
    (void)madvise(addr, size, in_memory ? MADV_HUGEPAGE : MADV_RANDOM);
    errno = saved_errno;
    return 0;
}

int tmpfile_size(int fd, size_t *bytes)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -errno;
    *bytes = (size_t)status.st_size;
    return 0;
}

int tmpfile_blocks(int fd, size_t *bytes)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -errno;
    *bytes = (size_t)status.st_blocks * TMPFILE_STAT_BLOCK;
    return 0;
}

int tmpfile_capacity(int fd, size_t *bytes)
{
    struct statvfs fs;
    size_t capacity;

    if (fstatvfs(fd, &fs) != 0)
        return -errno;
    if (__builtin_mul_overflow(fs.f_blocks, fs.f_frsize, &capacity))
        return -EOVERFLOW;
    *bytes = capacity;
    return 0;
}

int tmpfile_room(int fd, size_t *bytes, size_t *total)
{
    struct statvfs fs;
    size_t room;
    size_t capacity;

    if (fstatvfs(fd, &fs) != 0)
        return -errno;
    if (__builtin_mul_overflow(fs.f_bfree, fs.f_frsize, &room) ||
        __builtin_mul_overflow(fs.f_blocks, fs.f_frsize, &capacity))
        return -EOVERFLOW;
    *bytes = room;
    *total = capacity;
    return 0;
}
