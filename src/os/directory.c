/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory that kinds keep their files in, held as one descriptor that all of them share.
 *
 * With a descriptor of the directory for each kind, 512 kinds would not fit into the usual limit of
 * 1,024 descriptors. So the process keeps a list of open directories. directory_mutex guards the
 * list and the reference counts; all other members are written before the directory enters the
 * list, and never change. An open descriptor pins its inode, so no other directory can get the
 * inode number of a listed directory.
 *
 * The descriptor is checked before it is used and before it is closed (os/descriptor.h). Where the
 * program has closed the descriptor, the directory is opened by its path for the moment. That path
 * is absolute, since a daemon that closes all descriptors changes to the root directory.
 */
#include "os/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "os/statx.h"
#include "util/cancel.h"
#include "util/lock.h"

struct directory {
    struct directory *next;      /* in directory_list */
    size_t references;           /* of callers; never 0 in the list */
    struct descriptor_file file; /* which directory this is */
    uint64_t mount;              /* the mount that path led through; 0: the kernel does not tell */
    int fd;                      /* O_PATH, owned unless the program has closed it */
    char *absolute;              /* path from the root; behind the terminator of path */
    char path[];                 /* as passed to directory_open(), terminated */
};

static pthread_mutex_t directory_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct directory *directory_list;

/* Directories of two mounts differ: one of the mounts may be read-only. */
static uint64_t directory_mount(int fd)
{
    struct statx status;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0 ||
        (status.stx_mask & STATX_MNT_ID) == 0)
        return 0;
    return status.stx_mnt_id;
}

static bool directory_is(const struct directory *dir, const struct descriptor_file *file)
{
    return file->device == dir->file.device && file->inode == dir->file.inode;
}

/*
 * Whether dir->fd is still the directory's. Few of a program's descriptors are O_PATH, so an O_PATH
 * descriptor that fstat(2) fails for counts as the directory's.
 */
static bool directory_has_fd(const struct directory *dir)
{
    struct descriptor_file file = {0};
    int flags = fcntl(dir->fd, F_GETFL);

    if (flags < 0 || (flags & O_PATH) == 0)
        return false;
    return descriptor_identify(dir->fd, &file) != 0 || directory_is(dir, &file);
}

static void directory_delete(struct directory *dir)
{
    if (directory_has_fd(dir))
        close(dir->fd);
    free(dir);
}

/* Returns a descriptor of the directory at path, and *file; or -errno. */
static int directory_open_path(const char *path, struct descriptor_file *file)
{
    int error;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    error = descriptor_identify(fd, file);
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

/* The same with a descriptor that is to stay open. */
static int directory_open_to_keep(const char *path, struct descriptor_file *file)
{
    int fd = directory_open_path(path, file);

    return fd < 0 ? fd : descriptor_raise(fd);
}

/* Writes the absolute form of a path, or, where that cannot be had, the path itself. */
static void directory_make_absolute(const char *path, char absolute[PATH_MAX])
{
    size_t used = 0;

    if (path[0] != '/' && getcwd(absolute, PATH_MAX) != NULL) {
        used = strlen(absolute);
        if (strlen(path) + 1 < PATH_MAX - used)
            absolute[used++] = '/';
        else
            used = 0;
    }
    memcpy(absolute + used, path, strlen(path) + 1);
}

/* Returns a record of the directory that fd is, found at path; NULL where there is no memory. */
static struct directory *directory_record(const char *path, int fd)
{
    char absolute[PATH_MAX];
    size_t path_size = strlen(path) + 1;

    directory_make_absolute(path, absolute);
    size_t absolute_size = strlen(absolute) + 1;
    struct directory *fresh = malloc(sizeof(*fresh) + path_size + absolute_size);
    if (fresh == NULL)
        return NULL;
    *fresh = (struct directory){.references = 1, .mount = directory_mount(fd), .fd = fd};
    fresh->absolute = fresh->path + path_size;
    memcpy(fresh->path, path, path_size);
    memcpy(fresh->absolute, absolute, absolute_size);
    return fresh;
}

static int directory_new(const char *path, struct directory **dir)
{
    struct descriptor_file file = {0};
    int fd = directory_open_to_keep(path, &file);

    if (fd < 0)
        return fd;
    struct directory *fresh = directory_record(path, fd);
    if (fresh == NULL) {
        close(fd);
        return -ENOMEM;
    }
    fresh->file = file;
    *dir = fresh;
    return 0;
}

static struct directory *directory_find_locked(const struct directory *wanted)
{
    struct directory *dir = directory_list;

    while (dir != NULL && (!directory_is(dir, &wanted->file) || dir->mount != wanted->mount))
        dir = dir->next;
    return dir;
}

/* Enters `fresh` into the list, or takes a reference where the directory is there already. */
static struct directory *directory_enter_locked(struct directory *fresh)
{
    struct directory *known = directory_find_locked(fresh);

    if (known != NULL) {
        known->references++;
        return known;
    }
    fresh->next = directory_list;
    directory_list = fresh;
    return fresh;
}

static int directory_open_held(const char *path, struct directory **dir)
{
    struct directory *fresh = NULL;
    int error = directory_new(path, &fresh);

    if (fresh == NULL)
        return error;
    lock_acquire(&directory_mutex, LOCK_DIRECTORY);
    *dir = directory_enter_locked(fresh);
    lock_release(&directory_mutex);
    if (*dir != fresh)
        directory_delete(fresh);
    return 0;
}

int directory_open(const char *path, struct directory **dir)
{
    int cancel;
    int error;

    if (path == NULL)
        return -EINVAL;
    cancel = cancel_hold();
    error = directory_open_held(path, dir);
    cancel_restore(cancel);
    return error;
}

struct directory *directory_ref(struct directory *dir)
{
    lock_acquire(&directory_mutex, LOCK_DIRECTORY);
    dir->references++;
    lock_release(&directory_mutex);
    return dir;
}

/* Drops a reference. True: that was the last reference, and dir has left the list. */
static bool directory_leave_locked(struct directory *dir)
{
    struct directory **link = &directory_list;

    if (--dir->references > 0)
        return false;
    while (*link != dir)
        link = &(*link)->next;
    *link = dir->next;
    return true;
}

void directory_close(struct directory *dir)
{
    int saved_errno = errno;
    int cancel;
    bool last;

    if (dir == NULL)
        return;
    cancel = cancel_hold();
    lock_acquire(&directory_mutex, LOCK_DIRECTORY);
    last = directory_leave_locked(dir);
    lock_release(&directory_mutex);
    if (last)
        directory_delete(dir);
    cancel_restore(cancel);
    errno = saved_errno;
}

void directory_before_fork(void)
{
    lock_acquire(&directory_mutex, LOCK_DIRECTORY);
}

void directory_after_fork(void)
{
    lock_release(&directory_mutex);
}

int directory_take_fd(const struct directory *dir)
{
    struct descriptor_file file = {0};
    int fd;

    if (directory_has_fd(dir))
        return dir->fd;
    fd = directory_open_path(dir->absolute, &file);
    if (fd < 0 || directory_is(dir, &file))
        return fd;
    close(fd);
    return -ENOENT;
}

void directory_put_fd(const struct directory *dir, int fd)
{
    /* A descriptor that has got the number of the closed one takes its place. */
    if (fd != dir->fd)
        close(fd);
}

const char *directory_path(const struct directory *dir)
{
    return dir->path;
}
