/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nameless files: the memory of the kinds lies in them.
 *
 * Space is taken with fallocate(2), in one piece where that works. Where it does not:
 *
 * - Interrupted by a signal: half the piece, since the tmpfs of most kernels undoes the whole call
 *   then, and a periodic timer would starve a long one. Pieces that succeed double again.
 * - A large piece refused, as by NFS: half the piece, and none as large again.
 * - The smallest piece refused because fallocate(2) is not known: posix_fallocate(3).
 * - No space: the answer.
 */
#include "backing/tmpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backing/directory.h"
#include "util/cancel.h"
#include "util/log.h"
#include "util/signal_hold.h"

#define TMPFILE_MODE        0600
#define TMPFILE_NAME_FORMAT ".memkind-%016" PRIx64
#define TMPFILE_NAME_SIZE   sizeof(".memkind-0123456789abcdef")
#define TMPFILE_NAME_TRIES  16

/* Pieces end where pages of the large kind end, so that they can be mapped by such pages. */
#define TMPFILE_PIECE ((size_t)2 << 20)

/* The size below which an interrupted piece is not cut. Any page size will do. */
#define TMPFILE_PIECE_INTERRUPTED ((size_t)4 << 10)

/* From this size on it pays to ask for the free space first. */
#define TMPFILE_LARGE ((size_t)64 << 20)

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

static int tmpfile_random_name(char name[TMPFILE_NAME_SIZE])
{
    uint64_t number;
    ssize_t length;

    do {
        length = getrandom(&number, sizeof(number), 0);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return -errno;
    if (length != sizeof(number))
        return -EIO;
    snprintf(name, TMPFILE_NAME_SIZE, TMPFILE_NAME_FORMAT, number);
    return 0;
}

/* Makes a file with a name that was not there. Returns its descriptor or -errno. */
static int tmpfile_open_named(int dirfd, char name[TMPFILE_NAME_SIZE])
{
    int result = -EEXIST;

    for (int i = 0; i < TMPFILE_NAME_TRIES && result == -EEXIST; i++) {
        result = tmpfile_random_name(name);
        if (result == 0)
            result = tmpfile_openat(dirfd, name, O_CREAT | O_EXCL | O_NOFOLLOW);
    }
    return result;
}

static int tmpfile_create_unlinked(const struct directory *dir)
{
    char name[TMPFILE_NAME_SIZE];
    int error;
    int fd = tmpfile_open_named(directory_fd(dir), name);

    if (fd < 0)
        return fd;
    if (unlinkat(directory_fd(dir), name, 0) != 0) {
        error = -errno;
        close(fd);
        log_error("%s/%s cannot be removed (error %d)", directory_path(dir), name, -error);
        return error;
    }
    return fd;
}

/* As tmpfile_create(), without O_TMPFILE. */
static int tmpfile_create_named(const struct directory *dir)
{
    sigset_t all;
    sigset_t old;
    int result;

    /* A handler that ends the process or jumps away would leave the name behind. */
    sigfillset(&all);
    result = -pthread_sigmask(SIG_SETMASK, &all, &old);
    if (result != 0)
        return result;
    result = tmpfile_create_unlinked(dir);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int tmpfile_create(const struct directory *dir)
{
    int cancel = cancel_hold();
    int result = tmpfile_openat(directory_fd(dir), ".", O_TMPFILE);

    if (tmpfile_nameless_unknown(result))
        result = tmpfile_create_named(dir);
    cancel_restore(cancel);
    return result;
}

/* ---- allocate ---- */

/* Errors that a smaller piece does not cure. */
static bool tmpfile_is_final(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG || error == -ENOMEM ||
           error == -EBADF || error == -EPERM;
}

static bool tmpfile_is_unsupported(int error)
{
    return error == -EOPNOTSUPP || error == -ENOSYS;
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

/* One try at one piece that is not larger than TMPFILE_PIECE when posix_fallocate(3) is needed. */
static int tmpfile_allocate_piece(int fd, off_t offset, size_t piece)
{
    int error = fallocate(fd, 0, offset, (off_t)piece) == 0 ? 0 : -errno;

    /* It writes to each block where it has to, so it is not asked before the piece is small. */
    if (tmpfile_is_unsupported(error) && piece <= TMPFILE_PIECE)
        error = -posix_fallocate(fd, offset, (off_t)piece);
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

/* As tmpfile_allocate_pieces(), without the SIGXFSZ that comes with EFBIG and kills the process. */
static int tmpfile_allocate_without_signal(int fd, off_t offset, size_t size)
{
    struct signal_hold hold;
    int error = signal_hold_begin(&hold, SIGXFSZ);

    if (error != 0)
        return error;
    error = tmpfile_allocate_pieces(fd, offset, size);
    signal_hold_end(&hold, error == -EFBIG);
    return error;
}

int tmpfile_allocate(int fd, off_t offset, size_t size)
{
    off_t end;
    int cancel;
    int error;

    if (offset < 0 || size == 0)
        return -EINVAL;
    if (__builtin_add_overflow(offset, size, &end))
        return -EFBIG;
    if (size > TMPFILE_LARGE && !tmpfile_may_fit(fd, size))
        return -ENOSPC;
    cancel = cancel_hold();
    error = tmpfile_may_exceed_limit(end) ? tmpfile_allocate_without_signal(fd, offset, size)
                                          : tmpfile_allocate_pieces(fd, offset, size);
    cancel_restore(cancel);
    return error;
}

/* ---- release, map, measure ---- */

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
    return error == -ENOSYS ? -EOPNOTSUPP : error;
}

/*
 * Where files are read ahead, pages come in large folios, and the first write to one of its pages
 * makes XFS and btrfs reserve space for the whole folio, holes beside the page included: where there
 * is none, that is SIGBUS in a page that has its space. tmpfs never does so, and the advice would
 * make its pages the first to be swapped.
 */
static void tmpfile_read_single_pages(int fd, void *addr, size_t size)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC)
        madvise(addr, size, MADV_RANDOM);
}

int tmpfile_map(int fd, void *addr, size_t size, off_t offset)
{
    const int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;

    if (mmap(addr, size, PROT_READ | PROT_WRITE, flags, fd, offset) == MAP_FAILED)
        return -errno;
    tmpfile_read_single_pages(fd, addr, size);
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
