/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory that kinds keep their files in, held as one descriptor that all of them share. */
#pragma once

struct directory;

/*
 * Opens the directory, or takes a reference where the process has the same directory of the same
 * mount open already, whatever path leads there. The caller closes *dir with directory_close().
 * Does not check whether files can be made in the directory.
 *
 * 0, or, with *dir untouched: -EINVAL (path is NULL), -ENOMEM, or an error of open(2): -ENOENT,
 * -ENOTDIR, -ENAMETOOLONG, -EACCES, -ELOOP, -EMFILE ... Safe from any thread, no cancellation
 * point.
 */
int directory_open(const char *path, struct directory **dir);

/* Takes one more reference and returns dir. */
struct directory *directory_ref(struct directory *dir);

/*
 * Drops one reference; the last closes the descriptor, unless the program has. NULL is allowed.
 * errno is kept.
 */
void directory_close(struct directory *dir);

/* Around fork(2), in the same thread: the list of directories does not change between the two. */
void directory_before_fork(void);
void directory_after_fork(void);

/*
 * Returns a descriptor of the directory (O_PATH, close-on-exec) for openat(2) and the like; the
 * caller passes it to directory_put_fd(). Where the program has closed the directory's descriptor,
 * the path, relative to the working directory of the first opening, is opened again: -ENOENT where
 * another directory is there now, or an error of open(2). Safe from any thread; opening and closing
 * are cancellation points.
 */
int directory_take_fd(const struct directory *dir);
void directory_put_fd(const struct directory *dir, int fd);

/* Returns the path of the first directory_open(), for as long as the reference lasts. */
const char *directory_path(const struct directory *dir);
