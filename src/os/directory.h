/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory that kinds keep their files in, held as one descriptor that all of them share. */
#pragma once

struct directory;

/*
 * Opens the directory, or takes a reference to it where the process has it open already (the same
 * directory of the same mount, whatever path leads there). The caller closes *dir with
 * directory_close(). Whether files can be made in the directory is not asked.
 *
 * 0, or, with *dir untouched: -EINVAL (path is NULL), -ENOMEM, or what open(2) says: -ENOENT,
 * -ENOTDIR, -ENAMETOOLONG, -EACCES, -ELOOP, -EMFILE ... Safe from any thread, no cancellation
 * point.
 */
int directory_open(const char *path, struct directory **dir);

/* Takes one more reference and returns dir. */
struct directory *directory_ref(struct directory *dir);

/*
 * Gives one reference back; the last one closes the descriptor, unless the program has. NULL:
 * nothing. errno is kept.
 */
void directory_close(struct directory *dir);

/* Around fork(2), in this thread: hold the list of directories still. */
void directory_before_fork(void);
void directory_after_fork(void);

/*
 * A descriptor of the directory (O_PATH, close-on-exec), for openat(2) and the like only; the
 * caller gives it to directory_put_fd(). Where the program has closed the one that was opened, the
 * path (from the working directory of then) is opened again: -ENOENT where another directory is
 * there now, or what open(2) says. Safe from any thread; opening and closing are cancellation
 * points.
 */
int directory_take_fd(const struct directory *dir);
void directory_put_fd(const struct directory *dir, int fd);

/* The path that the first directory_open() was given. Lives as long as the reference. */
const char *directory_path(const struct directory *dir);
