/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that the library keeps: with high numbers, and checked before use.
 *
 * open(2) returns the lowest free number. If a standard stream was closed when the program started,
 * this is the stream's number, and text that the program prints would go into the file. A script
 * may also use a low number by name. So descriptors that stay open are moved to high numbers.
 *
 * A program may close these descriptors nevertheless: daemons close all numbers, and the next file
 * that a daemon opens may get the number of a closed one. So the library records which file a
 * number stands for, and checks the number before each use and before it closes the number. Where
 * another thread closes the descriptor and gets the same number between the check and the use, the
 * library does not notice: no system call checks and uses a descriptor at once. So the library uses
 * the mapping instead of the descriptor wherever it can.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* No larger number is used: the kernel's table, which each fork copies, would be longer. */
#define DESCRIPTOR_CEILING 1024

/* Which file a descriptor stands for. No other file is equal while the file is open or mapped. */
struct descriptor_file {
    dev_t device;
    ino_t inode;
};

/*
 * Moves a descriptor of the caller to a high number: one of the last below the soft RLIMIT_NOFILE
 * and below 1,024, since the kernel keeps a table as long as the highest number and copies that
 * table at each fork. Where these numbers are taken, to another free number, but never to one of a
 * standard stream. The new descriptor is close-on-exec. Returns the number, or -EMFILE: then fd is
 * closed. A cancellation point.
 */
int descriptor_raise(int fd);

/*
 * Returns a second descriptor with a number as from descriptor_raise(); fd stays open. -EMFILE
 * where no number is free, -EBADF where fd is not open. A cancellation point.
 */
int descriptor_duplicate(int fd);

/* Records which file fd stands for. 0, or -errno of fstat(2). errno is kept here and below. */
int descriptor_identify(int fd, struct descriptor_file *file);

/*
 * Whether the number is open and stands for the file. True also where a filter of system calls
 * forbids fstat(2).
 */
bool descriptor_is(int fd, const struct descriptor_file *file);

/* Closes the number where it stands for the file. No cancellation point. */
void descriptor_close(int fd, const struct descriptor_file *file);

/*
 * Opens a file again that is mapped at [addr, addr + size), one whole mapping, for reading and
 * writing. Returns a descriptor with a number as from descriptor_raise(). -EPERM where the process
 * has neither CAP_SYS_ADMIN nor CAP_CHECKPOINT_RESTORE, -ENOENT where there is no /proc, -EMFILE
 * ... No cancellation point.
 */
int descriptor_open_mapped(const void *addr, size_t size, const struct descriptor_file *file);
