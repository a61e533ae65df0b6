/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that the library keeps: out of everybody's way, and looked at before they are used.
 *
 * open(2) gives the lowest number that is free. That may be the number of a standard stream which
 * was closed when the program started, and then text that the program prints goes into the file; or
 * a low number that a script asks for by name. So descriptors that stay open are moved to high
 * numbers.
 *
 * A program may close them nevertheless: daemons close all that there may be, and what they open or
 * duplicate next may get such a number. So the library notes which file a number stands for, and
 * looks at the number each time before it uses or closes it. Another thread that closes ours and
 * gets the same number between that look and the call that follows is not noticed: no system call
 * takes a file and checks which one it is at once. What can be done to a mapping instead is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Which file a descriptor stands for. No other file can be it while the file is open or mapped. */
struct descriptor_file {
    dev_t device;
    ino_t inode;
};

/*
 * Moves a descriptor of the caller's to a high number: one of the last below the soft RLIMIT_NOFILE
 * and 1,024. The kernel keeps, and copies at each fork, a table as long as the highest number, so
 * it does not follow the limit. Where these numbers are taken, to the next that is free, or to a
 * lower one, but never to one of the standard streams'. The new descriptor is close-on-exec.
 * Returns its number, or -EMFILE: then the descriptor is closed. A cancellation point.
 */
int descriptor_raise(int fd);

/*
 * A second descriptor, as descriptor_raise() gives it; the first one stays open. -EMFILE where no
 * number is free, -EBADF where fd is none. A cancellation point.
 */
int descriptor_duplicate(int fd);

/* Notes which file it is. 0, or -errno of fstat(2). errno is kept here and below. */
int descriptor_identify(int fd, struct descriptor_file *file);

/*
 * Whether the number is open and stands for the file. A number that fstat(2) says nothing about is
 * taken to: a filter of system calls may forbid to ask.
 */
bool descriptor_is(int fd, const struct descriptor_file *file);

/* Closes the number where it stands for the file. No cancellation point. */
void descriptor_close(int fd, const struct descriptor_file *file);

/*
 * Opens a file again that is mapped at [addr, addr + size), one whole mapping, for reading and
 * writing: a descriptor as descriptor_raise() gives it. The kernel lets only privileged processes
 * (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE): -EPERM; -ENOENT where there is no /proc, -EMFILE ...
 * No cancellation point.
 */
int descriptor_open_mapped(const void *addr, size_t size, const struct descriptor_file *file);
