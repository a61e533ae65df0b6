/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How files without a name get longer, and get file space by fallocate(2): in one piece if
 * possible. Where that fails:
 *
 * - The call is interrupted by a signal: half the piece. The tmpfs of most kernels undoes the whole
 *   call then, and a periodic timer would starve a long call. After a success, pieces double again.
 * - The file system rejects a large piece, as NFS does: half the piece from here on.
 * - There is no fallocate(2) for the smallest piece, or a filter forbids the call: zeroes are
 *   written, as posix_fallocate(3) does for the first of the two reasons alone.
 * - There is no space: an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/tmpfile.h"
#include "os/tmpfile_internal.h"
#include "util/align.h"
#include "util/cancel.h"
#include "util/signal_hold.h"

/* Pieces end at multiples of a large page, so that large pages can map them. */
#define TMPFILE_PIECE LARGE_PAGE

/* The size below which an interrupted piece is not halved. Any page size will do. */
#define TMPFILE_PIECE_INTERRUPTED ((size_t)4 << 10)

#define TMPFILE_ZEROES ((size_t)64 << 10) /* written at once */

/* Errors that a smaller piece does not cure. */
static bool tmpfile_is_final(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG || error == -ENOMEM ||
           error == -EBADF;
}

/* Returns half of the piece in whole units, at least one; a piece of one unit or less stays. */
static size_t tmpfile_half(size_t piece, size_t unit)
{
    if (piece <= unit)
        return piece;
    return align_up(piece / 2, unit);
}

static size_t tmpfile_half_interrupted(size_t piece)
{
    return tmpfile_half(piece, piece > TMPFILE_PIECE ? TMPFILE_PIECE : TMPFILE_PIECE_INTERRUPTED);
}

/* Writes to each byte: the blocks may be smaller than the file system reports. */
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

/* Attempts a piece once. Zeroes are written to pieces of up to TMPFILE_PIECE. */
static int tmpfile_allocate_piece(int fd, off_t offset, size_t piece)
{
    int error = fallocate(fd, 0, offset, (off_t)piece) == 0 ? 0 : -errno;

    if (tmpfile_is_unsupported(error) && piece <= TMPFILE_PIECE)
        error = tmpfile_write_zeroes(fd, offset, piece);
    return error;
}

static int tmpfile_allocate_pieces(int fd, off_t offset, size_t size)
{
    size_t largest = size; /* piece that was not rejected */
    size_t piece = size;   /* next attempt */

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

bool tmpfile_may_exceed_limit(off_t end)
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
 * Calls a function that may make the file longer, without the SIGXFSZ that comes with EFBIG and
 * kills the process.
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
