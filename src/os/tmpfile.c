/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nameless files: the memory of the kinds lies in them.
 *
 * Space is taken with fallocate(2), in one piece where that works, or by populating a mapping.
 * Where fallocate(2) does not work in one piece:
 *
 * - Interrupted by a signal: half the piece, since the tmpfs of most kernels undoes the whole call
 *   then, and a periodic timer would starve a long one. Pieces that succeed double again.
 * - A large piece refused, as by NFS: half the piece, and none as large again.
 * - The smallest piece refused because there is no fallocate(2), or a container's filter forbids
 *   it: zeroes are written, as posix_fallocate(3) does for the first of the two reasons alone.
 * - No space: the answer.
 */
#include "os/tmpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "os/directory.h"
#include "os/vm.h"
#include "util/align.h"
#include "util/cancel.h"
#include "util/log.h"
#include "util/signal_hold.h"

#define TMPFILE_MODE        0600
#define TMPFILE_NAME_FORMAT ".memkind-%016" PRIx64
#define TMPFILE_NAME_SIZE   sizeof(".memkind-0123456789abcdef")
#define TMPFILE_NAME_TRIES  16
#define TMPFILE_MEMORY_NAME "memkind" /* for people, in /proc */

/* Pieces end where pages of the large kind end, so that they can be mapped by such pages. */
#define TMPFILE_PIECE LARGE_PAGE

/* The size below which an interrupted piece is not cut. Any page size will do. */
#define TMPFILE_PIECE_INTERRUPTED ((size_t)4 << 10)

/* From this size on it pays to ask for the free space first; and the most to populate at once. */
#define TMPFILE_LARGE ((size_t)64 << 20)

#define TMPFILE_ZEROES ((size_t)64 << 10) /* written at once */

#define TMPFILE_STAT_BLOCK 512 /* the unit of st_blocks, whatever the file system's is */

/* ---- create ---- */

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

/* In place of a random number: a name that somebody else has taken is only tried in vain. */
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

/* Makes a file with a name that was not there. Returns its descriptor or -errno. */
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

    /* A handler that ends the process or jumps away would leave the name behind. */
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

/* ---- allocate ---- */

/* Errors that a smaller piece does not cure. */
static bool tmpfile_is_final(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG || error == -ENOMEM ||
           error == -EBADF;
}

/* Whether the call is refused as a whole: filters of containers answer EPERM or ENOSYS. */
static bool tmpfile_is_unsupported(int error)
{
    return error == -EOPNOTSUPP || error == -ENOSYS || error == -EPERM;
}

/* Half of the piece, rounded up to whole units; a piece of one unit or less stays. */
static size_t tmpfile_half(size_t piece, size_t unit)
{
    if (piece <= unit)
        return piece;
    return (piece / 2 + unit - 1) / unit * unit;
}

static size_t tmpfile_half_interrupted(size_t piece)
{
    return tmpfile_half(piece, piece > TMPFILE_PIECE ? TMPFILE_PIECE : TMPFILE_PIECE_INTERRUPTED);
}

/* All of the range is written: a file system may have blocks smaller than it says. */
static int tmpfile_write_zeroes(int fd, off_t offset, size_t size)
{
    static const char zeroes[TMPFILE_ZEROES];
    int error = 0;

    while (size > 0 && error == 0) {
        size_t piece = size < sizeof(zeroes) ? size : sizeof(zeroes);

        error = tmpfile_write(fd, zeroes, piece, offset);
        offset += (off_t)piece;
        size -= piece;
    }
    return error;
}

/* One try at one piece that is not larger than TMPFILE_PIECE when zeroes have to be written. */
static int tmpfile_allocate_piece(int fd, off_t offset, size_t piece)
{
    int error = fallocate(fd, 0, offset, (off_t)piece) == 0 ? 0 : -errno;

    if (tmpfile_is_unsupported(error) && piece <= TMPFILE_PIECE)
        error = tmpfile_write_zeroes(fd, offset, piece);
    return error;
}

static int tmpfile_allocate_pieces(int fd, off_t offset, size_t size)
{
    size_t largest = size; /* piece that was not refused */
    size_t piece = size;   /* to try next */

    while (size > 0) {
        int error;

        if (piece > size)
            piece = size;
        error = tmpfile_allocate_piece(fd, offset, piece);
        if (error == 0) {
            offset += (off_t)piece;
            size -= piece;
            piece = piece <= largest / 2 ? piece * 2 : largest;
        } else if (error == -EINTR) {
            piece = tmpfile_half_interrupted(piece);
        } else if (piece > TMPFILE_PIECE && !tmpfile_is_final(error)) {
            largest =
                tmpfile_is_unsupported(error) ? TMPFILE_PIECE : tmpfile_half(piece, TMPFILE_PIECE);
            piece = largest;
        } else {
            return error;
        }
    }
    return 0;
}

/*
 * Whether the file system has the space free, or does not tell. tmpfs would otherwise fill itself
 * to the brim, starve everybody else meanwhile, and then undo it all. f_bfree includes the reserve
 * that only root may use, so that this never refuses what fallocate(2) would have given.
 */
static bool tmpfile_may_fit(int fd, size_t size)
{
    struct statvfs fs;

    /* A tmpfs without a limit says that it has no blocks at all. */
    if (fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0 || fs.f_frsize == 0)
        return true;
    return (size - 1) / fs.f_frsize < fs.f_bfree;
}

/* Whether the file size limit of the process may be met by a file that ends at end. */
static bool tmpfile_may_exceed_limit(off_t end)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return true;
    return limit.rlim_cur != RLIM_INFINITY && (rlim_t)end > limit.rlim_cur;
}

size_t tmpfile_longest(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur > SIZE_MAX)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

/*
 * Calls what makes the file end at `end`, without the SIGXFSZ that comes with EFBIG and kills the
 * process.
 */
static int tmpfile_without_signal(int (*call)(int fd, off_t offset, size_t size), int fd,
                                  off_t offset, size_t size)
{
    struct signal_hold hold;
    int cancel = cancel_hold();
    int error = 0;

    if (!tmpfile_may_exceed_limit(offset + (off_t)size)) {
        error = call(fd, offset, size);
    } else {
        error = signal_hold_begin(&hold, SIGXFSZ);
        if (error == 0) {
            error = call(fd, offset, size);
            signal_hold_end(&hold, error == -EFBIG);
        }
    }
    cancel_restore(cancel);
    return error;
}

int tmpfile_allocate(int fd, off_t offset, size_t size)
{
    off_t end;

    if (offset < 0 || size == 0)
        return -EINVAL;
    if (__builtin_add_overflow(offset, size, &end))
        return -EFBIG;
    if (size > TMPFILE_LARGE && !tmpfile_may_fit(fd, size))
        return -ENOSPC;
    return tmpfile_without_signal(tmpfile_allocate_pieces, fd, offset, size);
}

int tmpfile_allocate_aligned(int fd, off_t offset, size_t size)
{
    int error = 0;

    if (size > TMPFILE_LARGE && !tmpfile_may_fit(fd, size))
        return -ENOSPC;
    while (size > 0 && error == 0) {
        size_t rest = TMPFILE_PIECE - (size_t)offset % TMPFILE_PIECE;
        size_t piece = size < rest ? size : rest;

        error = tmpfile_allocate(fd, offset, piece);
        offset += (off_t)piece;
        size -= piece;
    }
    return error;
}

/* ---- populate ---- */

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

static int tmpfile_truncate(int fd, off_t offset, size_t size)
{
    int result;

    do {
        result = ftruncate(fd, offset + (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result != 0 ? -errno : 0;
}

int tmpfile_extend(int fd, off_t end)
{
    return tmpfile_without_signal(tmpfile_truncate, fd, end, 0);
}

static int tmpfile_populate_piece(char *addr, size_t size)
{
    if (madvise(addr, size, MADV_POPULATE_WRITE) == 0)
        return 0;
    switch (errno) {
    case EINVAL:
    case ENOSYS:
    case EPERM:
        return -EOPNOTSUPP;
    case EFAULT:
        /* What a page fault would have raised SIGBUS for. */
        return -ENOSPC;
    default:
        return -errno;
    }
}

int tmpfile_populate(int fd, void *addr, size_t size)
{
    int saved_errno = errno;
    char *next = addr;
    int error = 0;

    if (size > TMPFILE_LARGE && !tmpfile_may_fit(fd, size))
        return -ENOSPC;
    /* In pieces, since the kernel lets nobody map or unmap memory of the process meanwhile. */
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

/* ---- write, release, map, measure ---- */

int tmpfile_write(int fd, const void *addr, size_t size, off_t offset)
{
    const char *next = addr;
    int cancel = cancel_hold();
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

/* A kernel knows what it is asked for; an emulation that follows no advice says yes to any. */
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
 * Memory comes in large pages if it can.
 *
 * On other file systems files are read ahead and pages come in large folios, and the first write to
 * one of its pages makes XFS and btrfs reserve space for the whole folio, holes beside the page
 * included: where there is none, that is SIGBUS in a page that has its space. So pages come singly.
 * On tmpfs that advice would make its pages the first to be swapped. A kernel that knows neither
 * refuses, and all is well.
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

size_t tmpfile_memory(void)
{
    struct sysinfo info;
    size_t bytes;

    if (sysinfo(&info) != 0 ||
        __builtin_mul_overflow(info.totalram + info.totalswap, (size_t)info.mem_unit, &bytes))
        return SIZE_MAX;
    return bytes;
}
