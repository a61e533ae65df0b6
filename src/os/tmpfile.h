/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files without a name, in which kinds have their memory.
 *
 * Functions of type int return 0 or -errno. All are thread-safe, and none is a cancellation point.
 * Offsets and sizes are in bytes; those of mappings are multiples of the page size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct directory;

/*
 * Makes an empty file in the directory: mode 0600 less the umask, open for reading and writing,
 * close-on-exec. Returns a descriptor that the caller closes, with a number as from
 * descriptor_raise(), or -errno of the call that failed: -EACCES, -EROFS, -ENOSPC, -EMFILE ..., or
 * an error of directory_take_fd(). The directory is left unchanged, unless the file system has no
 * O_TMPFILE and fails to remove the new name.
 */
int tmpfile_create(const struct directory *dir);

/* The same in DRAM, which needs no directory: memfd_create(2). -EMFILE, -ENFILE, -ENOMEM ... */
int tmpfile_create_in_memory(void);

/*
 * Allocates file space for the range, and lengthens the file to its end, so that an access to a
 * mapping of the range never raises SIGBUS for lack of space. RLIMIT_FSIZE raises no signal. The
 * range holds zeroes, or no space yet, and no other thread writes there: without fallocate(2), the
 * function writes zeroes. A long range is rejected where the file system has less than its size
 * free, and for a file in memory, where memory_room_has() is false.
 *
 * -ENOSPC, -EDQUOT, -EFBIG (also for RLIMIT_FSIZE), -EIO, -EINVAL (size 0 or a negative offset) ...
 * On error the range may be partly allocated; the caller releases it.
 */
int tmpfile_allocate(int fd, off_t offset, size_t size);

/*
 * The same, in pieces that end at each multiple of 2 MiB: for such pieces, file systems choose
 * extents that one PMD entry can map. For a long piece, an ext4 that is not empty takes any
 * extents, aligned or not.
 */
int tmpfile_allocate_aligned(int fd, off_t offset, size_t size);

/* Whether the file is in memory (tmpfs), so that tmpfile_populate() allocates its pages. */
bool tmpfile_in_memory(int fd);

/*
 * Whether the first write to a page allocates its space finally, so that tmpfile_populate() is
 * enough. False for file systems that copy on write, and for those of servers, which may fail
 * later.
 */
bool tmpfile_faults_reserve(int fd);

/*
 * Makes the file, which is shorter, `end` bytes long. Takes no space and raises no signal. -EFBIG
 * (also for RLIMIT_FSIZE), -EINVAL ...
 */
int tmpfile_extend(int fd, off_t end);

/* Returns the length that a file of the process may have (RLIMIT_FSIZE); SIZE_MAX: no limit. */
size_t tmpfile_longest(void);

/*
 * Fills the page tables of a mapping of the file, and takes file space where there is none. In
 * memory, only that takes large pages of a tmpfs with huge=advise. fd is -1, or used to query the
 * free space.
 *
 * -ENOSPC, -EOPNOTSUPP before Linux 5.14 and where the call is forbidden, -ENOMEM ... On error the
 * range may be populated in part.
 */
int tmpfile_populate(int fd, void *addr, size_t size);

/* The page size with which LARGE_PAGE is what a PMD entry maps, and tmpfile_collapse() works. */
#define COLLAPSE_SMALL_PAGE ((size_t)4 << 10)

/*
 * Takes the space of a range of a file in memory, of which addr is a mapping, by large pages, even
 * if the tmpfs was mounted without huge=. offset and size are multiples of LARGE_PAGE, the file is
 * long enough, and no thread uses the range. Nothing is resident afterwards. Whatever the result
 * is, the range may have small pages or no space in part: tmpfile_allocate() completes it.
 *
 * -EINVAL before Linux 6.1, where shmem_enabled is "deny", and after MADV_NOHUGEPAGE; -ENOMEM,
 * -EAGAIN or -EBUSY where there is no memory in one piece, also for a control group; or an error of
 * tmpfile_allocate(). The call waits until all processors have put the pages in their lists: about
 * as long as a page fault on each takes.
 */
int tmpfile_collapse(int fd, void *addr, off_t offset, size_t size);

/*
 * Whether a file in memory has a page at offset. False after tmpfile_populate() where an emulator
 * (qemu-user) ignores madvise(2). True where the kernel does not tell. Waits for calls that take or
 * release space of the file.
 */
bool tmpfile_has_page(int fd, off_t offset);

/*
 * Writes size bytes from addr on to the file at offset, which has the space already; also beyond
 * the limit of file sizes (RLIMIT_FSIZE), if the offset is a multiple of the page size. -EFBIG:
 * that failed. The program gets no SIGXFSZ.
 */
int tmpfile_write(int fd, const void *addr, size_t size, off_t offset);

/*
 * Releases the space of the range to the file system. The range reads as zero afterwards; the
 * length of the file stays. -EOPNOTSUPP where the file system or the kernel cannot, or a filter
 * forbids the call; or another -errno.
 */
int tmpfile_release(int fd, off_t offset, size_t size);

/*
 * The same with a range of a shared mapping, by madvise(2), which needs no descriptor. -EINVAL
 * where pages are locked (mlock(2)), -EACCES where they are read-only, -EOPNOTSUPP also where an
 * emulator (qemu-user) ignores madvise(2).
 */
int tmpfile_release_mapped(void *addr, size_t size);

/*
 * Finds the pages in a range of a file in memory that hold memory: held[i] is 1 for these, else 0.
 * A part of a page counts as one. Whether there are any; false where the kernel does not tell.
 * Moves the file's position. mincore(2) reports all pages to a process that may not write to the
 * inode, as after setuid(2), and is therefore not used.
 */
bool tmpfile_holds(int fd, off_t offset, size_t size, unsigned char *held);

/*
 * Maps the range of the file at addr, shared and without access, in place of a reservation of the
 * caller. in_memory: the result of tmpfile_in_memory(). On error the reservation may be gone
 * (mmap(2)).
 */
int tmpfile_map(int fd, void *addr, size_t size, off_t offset, bool in_memory);

/* Stores the length of the file. On error *bytes is unchanged. */
int tmpfile_size(int fd, size_t *bytes);

/* Stores the file space that the file holds. On error *bytes is unchanged. */
int tmpfile_blocks(int fd, size_t *bytes);

/*
 * Stores the size of the file system that the file lies in, used or not; 0 where there is no limit
 * (a tmpfs mounted with size=0). -EOVERFLOW, or an error of statvfs(3): then *bytes is unchanged.
 */
int tmpfile_capacity(int fd, size_t *bytes);

/*
 * Stores the free bytes of that file system, the reserve for root included, and its size as above.
 * On error neither is changed.
 */
int tmpfile_room(int fd, size_t *bytes, size_t *total);
