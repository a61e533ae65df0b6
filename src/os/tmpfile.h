/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nameless files: the memory of the kinds lies in them.
 *
 * All functions return 0 or -errno, may be called from any thread and are no cancellation points.
 * Offsets and sizes are in bytes; those of mappings are multiples of the page size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct directory;

/*
 * Makes an empty file without a name in the directory: mode 0600 (less what the umask takes away),
 * open for reading and writing, close-on-exec. Returns a descriptor that the caller closes, with a
 * number as descriptor_raise() gives it, or -errno of the call that failed: -EACCES, -EROFS,
 * -ENOSPC, -EMFILE ..., or, where the program has closed the directory's descriptor, what
 * directory_take_fd() says. The directory is left as it was, unless the file system has no
 * O_TMPFILE and refuses to remove a name that it just gave.
 */
int tmpfile_create(const struct directory *dir);

/* The same in DRAM, which needs no directory: memfd_create(2). -EMFILE, -ENFILE, -ENOMEM ... */
int tmpfile_create_in_memory(void);

/*
 * Takes file space for the range, which becomes part of the file, so that touching a mapping of it
 * never raises SIGBUS for lack of space. No signal is raised for RLIMIT_FSIZE. The range holds no
 * space yet (a long range that does is refused when the file system has less than its size free),
 * or zeroes, and no other thread writes to it: where there is no fallocate(2), zeroes are written.
 *
 * -ENOSPC, -EDQUOT, -EFBIG (also for RLIMIT_FSIZE), -EIO, -EINVAL (size 0 or a negative offset) ...
 * On error the range may be partly allocated; the caller releases it.
 */
int tmpfile_allocate(int fd, off_t offset, size_t size);

/*
 * The same, in pieces that end at each multiple of 2 MiB: that is how file systems give extents
 * which one PMD entry can map. Of a long piece, an ext4 that is not empty gives what it has,
 * aligned or not.
 */
int tmpfile_allocate_aligned(int fd, off_t offset, size_t size);

/*
 * Whether the file is kept in memory (tmpfs), so that its pages can be had by tmpfile_populate().
 */
bool tmpfile_in_memory(int fd);

/*
 * Whether the file system takes space for a page at the first write to it, for good, so that
 * tmpfile_populate() is enough: not those that copy on write, nor those whose server may refuse
 * later.
 */
bool tmpfile_faults_reserve(int fd);

/*
 * Makes the file `end` bytes long, which it may not be already: it would be cut. No space is taken
 * and no signal raised. -EFBIG (also for RLIMIT_FSIZE), -EINVAL ...
 */
int tmpfile_extend(int fd, off_t end);

/*
 * The end of the longest file that the process may write (RLIMIT_FSIZE); SIZE_MAX without a limit.
 */
size_t tmpfile_longest(void);

/*
 * Fills the page tables of a mapping of the file, and takes file space where there is none: where
 * the file is kept in memory, that is the only way to the large pages of a tmpfs mounted with
 * huge=advise, and takes less time than fallocate(2) and a page fault for each page later.
 *
 * -ENOSPC, -EOPNOTSUPP where the kernel cannot (before Linux 5.14) or may not, -ENOMEM ... On error
 * the range may be populated in part.
 */
int tmpfile_populate(int fd, void *addr, size_t size);

/*
 * Whether a file that is kept in memory has a page at offset, once it is populated: not where
 * madvise(2) is emulated by doing nothing (qemu-user). Yes where that cannot be told. Waits for
 * others who take or give back space in the file.
 */
bool tmpfile_has_page(int fd, off_t offset);

/* Writes size bytes from addr on to the file at offset, where there is space already. */
int tmpfile_write(int fd, const void *addr, size_t size, off_t offset);

/*
 * Gives the space of the range back to the file system. The range reads as zero afterwards; the
 * size of the file stays. -EOPNOTSUPP where the file system or the kernel cannot or may not, or
 * another -errno.
 */
int tmpfile_release(int fd, off_t offset, size_t size);

/*
 * The same with a range of a shared mapping of the file, by madvise(2): without a descriptor, and
 * where fallocate(2) is forbidden. -EINVAL where pages are locked (mlock(2)), -EACCES where they
 * may not be written, -EOPNOTSUPP also where madvise(2) is emulated by doing nothing (qemu-user).
 */
int tmpfile_release_mapped(void *addr, size_t size);

/*
 * Which pages of the range of a file that is kept in memory were written and hold memory: held[i]
 * is 1 for these, else 0. A part of a page counts as one. Whether there are any; no where that
 * cannot be told. Moves the file's position. mincore(2) would do, but tells who may not write to
 * the inode, as after setuid(2), that all pages are there.
 */
bool tmpfile_holds(int fd, off_t offset, size_t size, unsigned char *held);

/*
 * Maps the range of the file at addr, shared, in place of what is mapped there: address space that
 * the caller has reserved. Nothing can be read or written before mprotect(2) allows it. in_memory:
 * what tmpfile_in_memory() says. On error the range may be mapped no longer (mmap(2)).
 */
int tmpfile_map(int fd, void *addr, size_t size, off_t offset, bool in_memory);

/* *bytes is how long the file is. On error *bytes is untouched. */
int tmpfile_size(int fd, size_t *bytes);

/* *bytes is the file space that the file holds. On error *bytes is untouched. */
int tmpfile_blocks(int fd, size_t *bytes);

/*
 * *bytes is the size of the file system that the file lies in, used or not; 0 where it has none (a
 * tmpfs mounted with size=0). -EOVERFLOW, or what statvfs(3) says; on error *bytes is untouched.
 */
int tmpfile_capacity(int fd, size_t *bytes);

/*
 * *bytes is what is free in that file system, whoever may have it, and *total its size, as above.
 * On error neither is changed.
 */
int tmpfile_room(int fd, size_t *bytes, size_t *total);

/* The bytes of memory and swap that the machine has: no file in memory holds more. */
size_t tmpfile_memory(void);
