/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose backing store is a nameless file. */
#include "space/file_backing.h"

#include <errno.h>

#include "backing/directory.h"
#include "backing/tmpfile.h"

static int file_backing_map(struct space *space, void *addr, size_t size, off_t offset)
{
    if (space->fd < 0)
        return -EBADF;
    return tmpfile_map(space->fd, addr, size, offset);
}

static int file_backing_commit(struct space *space, off_t offset, size_t size)
{
    return tmpfile_allocate(space->fd, offset, size);
}

static int file_backing_release(struct space *space, void *addr, off_t offset, size_t size)
{
    (void)addr;
    return tmpfile_release(space->fd, offset, size);
}

static int file_backing_capacity(const struct space *space, size_t *size)
{
    if (space->directory == NULL)
        return -EBADF;
    int err = directory_capacity(space->directory, size);
    /* A file system that does not say how large it is has no limit that we know of. */
    return err == 0 && *size == 0 ? -ENODATA : err;
}

const struct space_backing file_backing = {
    .map = file_backing_map,
    .commit = file_backing_commit,
    .release = file_backing_release,
    .capacity = file_backing_capacity,
};

int file_backing_open(struct space *space, struct directory *directory)
{
    int fd = tmpfile_create(directory);

    if (fd < 0)
        return fd;
    space->fd = fd;
    space->directory = directory;
    space->path = (char *)directory_path(directory);
    return 0;
}
