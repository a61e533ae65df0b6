/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies of a space's file for the child of a fork; see space/snapshot.h. */
#include <errno.h>
#include <unistd.h>

#include "os/tmpfile.h"
#include "space/region.h"
#include "store/file_space.h"
#include "util/lock.h"

/* A copy that is being made. Each run of pages gets its space before its contents. */
struct copy {
    const struct file_space *of;
    int fd;
};

static int take_run(void *arg, char *addr, off_t offset, size_t size)
{
    const struct copy *copy = arg;

    (void)addr;
    return copy->of->in_memory ? tmpfile_allocate(copy->fd, offset, size)
                               : tmpfile_allocate_aligned(copy->fd, offset, size);
}

static int write_run(void *arg, char *addr, off_t offset, size_t size)
{
    const struct copy *copy = arg;

    return tmpfile_write(copy->fd, addr, size, offset);
}

static int copy_regions(struct copy *copy)
{
    const struct region *region = atomic_load(&copy->of->space.regions);
    int err = 0;

    if (copy->of->file_size != 0)
        err = tmpfile_extend(copy->fd, (off_t)copy->of->file_size);
    for (; region != NULL && err == 0; region = region->next) {
        err = region_for_each_run(region, true, take_run, copy);
        if (err == 0)
            err = region_for_each_run(region, false, write_run, copy);
    }
    return err;
}

static int make_copy(struct file_space *file_space)
{
    struct copy copy = {.of = file_space, .fd = file_space_create_like(file_space)};

    if (copy.fd < 0)
        return copy.fd;
    int err = descriptor_identify(copy.fd, &file_space->copy);
    if (err == 0)
        err = copy_regions(&copy);
    if (err == 0)
        file_space->copy_fd = copy.fd;
    else
        close(copy.fd);
    return err;
}

/* -- A number for the copy --------------------------------------------------------------------- */

/*
 * Keeps a number for the fork: a program that has used up all others can fork nevertheless. Where
 * there is none to keep, one may be free when it is needed. In a child without a file of its own,
 * the number is one more of its parent's.
 */
void file_store_keep_spare(struct space *space)
{
    struct file_space *file_space = file_space_of(space);
    bool is_parents = atomic_load(&space->lacks_file) && space->file_number != 0;
    int fd = is_parents ? file_space->older[space->file_number - 1].fd : space->fd;

    if (descriptor_is(file_space->spare_fd, &file_space->file))
        return;
    file_space->spare_fd = descriptor_is(fd, &file_space->file) ? descriptor_duplicate(fd) : -1;
}

/* Closes the spare descriptor. Whether there was one. */
bool file_store_use_spare(struct space *space)
{
    struct file_space *file_space = file_space_of(space);

    if (file_space->spare_fd < 0)
        return false;
    file_space_close_spare(file_space);
    return true;
}

/* -- Operations -------------------------------------------------------------------------------- */

int file_store_copy(struct space *space)
{
    struct file_space *file_space = file_space_of(space);
    int err = make_copy(file_space);

    return err == -EMFILE && file_store_use_spare(space) ? make_copy(file_space) : err;
}

void file_store_drop_copy(struct space *space)
{
    struct file_space *file_space = file_space_of(space);

    descriptor_close(file_space->copy_fd, &file_space->copy);
    file_space->copy_fd = -1;
}

int file_store_adopt_copy(struct space *space)
{
    struct file_space *file_space = file_space_of(space);

    file_space_close(file_space);
    space->fd = file_space->copy_fd;
    file_space->copy_fd = -1;
    file_space->file = file_space->copy;
    (void)lock_init(&file_space->extend_lock);
    int err = file_space_pin(file_space, space->fd);
    if (err != 0)
        return err;
    atomic_store(&file_space->lost, false);
    file_space_check_file_system(file_space, space->fd);
    /*
     * The copy may be in DRAM where the original was not: its length counts now, and so do large
     * pages.
     */
    atomic_store(&file_space->checks, 0);
    return file_space->in_memory ? tmpfile_size(space->fd, &file_space->file_size) : 0;
}
