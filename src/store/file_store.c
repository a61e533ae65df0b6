/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is a nameless file. */
#include "store/file_store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/memory_room.h"
#include "os/tmpfile.h"
#include "os/vm.h"
#include "space/snapshot.h"
#include "store/file_space.h"
#include "util/cancel.h"
#include "util/lock.h"

/* From this size on, a query of the file system costs little beside an attempt. */
#define LARGE_COMMIT ((size_t)64 << 20)

/* -- Memory ------------------------------------------------------------------------------------ */

static int file_store_map(struct space *space, void *addr, size_t size, off_t offset)
{
    struct file_space *file_space = file_space_of(space);

    if (file_space->directory == NULL)
        return -EBADF;
    int err = file_space_need_file(file_space);
    if (err != 0)
        return err;
    int fd = file_space_fd(file_space);
    return fd < 0 ? -ENOMEM : tmpfile_map(fd, addr, size, offset, file_space->in_memory);
}

/* Releases through the mapping, which needs no descriptor. */
static int file_store_release(struct space *space, void *addr, off_t offset, size_t size)
{
    /* What is mapped there is an ancestor's, and nothing of it is committed here. */
    if (atomic_load(&space->lacks_file))
        return 0;
    int err = tmpfile_release_mapped(addr, size);
    if (err == 0)
        return 0;
    /* The program has locked the pages or made them read-only, or madvise(2) is forbidden. */
    int fd = file_space_fd(file_space_of(space));
    return fd >= 0 ? tmpfile_release(fd, offset, size) : err;
}

static bool file_store_kept(const struct space *space, off_t offset, size_t size,
                            unsigned char *kept)
{
    const struct file_space *file_space = file_space_of(space);

    if (!atomic_load_explicit(&file_space->large_pages, memory_order_relaxed))
        return false;
    int fd = file_space_known_fd(file_space);
    return fd >= 0 && tmpfile_holds(fd, offset, size, kept);
}

/* -- Queries ----------------------------------------------------------------------------------- */

/* Stores the capacity of the directory's file system. */
static int capacity_of_directory(struct directory *directory, size_t *bytes)
{
    int cancel = cancel_hold();
    int fd = directory_take_fd(directory);
    int err = fd;

    if (fd >= 0) {
        err = tmpfile_capacity(fd, bytes);
        directory_put_fd(directory, fd);
    }
    cancel_restore(cancel);
    return err;
}

int file_store_file_system(const struct space *space, size_t *bytes)
{
    const struct file_space *file_space = file_space_of(space);
    int fd = file_space_known_fd(file_space);

    if (fd >= 0)
        return tmpfile_capacity(fd, bytes);
    return file_space->directory != NULL ? capacity_of_directory(file_space->directory, bytes)
                                         : -EBADF;
}

/*
 * Limits *size, a result of the file system whose own size is `total` (0: unlimited), to the memory
 * of the machine, for a file in memory.
 */
static int limit_to_memory(const struct file_space *file_space, size_t total, size_t *size)
{
    if (!file_space->in_memory)
        return total == 0 ? -ENODATA : 0;
    size_t memory = memory_room_total();
    if (total == 0 || *size > memory)
        *size = memory;
    return 0;
}

static int file_store_capacity(const struct space *space, size_t *size)
{
    size_t total = 0;
    int err = file_store_file_system(space, &total);

    if (err != 0)
        return err;
    *size = total;
    return limit_to_memory(file_space_of(space), total, size);
}

static int file_store_room(const struct space *space, size_t needed, size_t *size)
{
    const struct file_space *file_space = file_space_of(space);

    if (needed < LARGE_COMMIT)
        return -ENODATA;
    int fd = file_space_known_fd(file_space);
    size_t total = 0;
    int err = fd >= 0 ? tmpfile_room(fd, size, &total) : fd;
    return err == 0 ? limit_to_memory(file_space, total, size) : err;
}

static int file_store_holds(const struct space *space, size_t *bytes)
{
    int fd = file_space_known_fd(file_space_of(space));

    return fd >= 0 ? tmpfile_blocks(fd, bytes) : fd;
}

static size_t file_store_longest(const struct space *space)
{
    (void)space;
    return tmpfile_longest();
}

static int file_store_source(const struct space *space, struct store_source *source)
{
    struct stat status;
    int fd = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);

    if (fd < 0)
        return -ENODATA;
    if (fstat(fd, &status) != 0)
        return -errno;
    *source = (struct store_source){.device = status.st_dev};
    return 0;
}

static struct directory *file_store_directory(const struct space *space)
{
    return file_space_of(space)->directory;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void file_store_destroy(struct space *space)
{
    struct file_space *file_space = file_space_of(space);

    space_fini(space);
    file_store_forget_files(space);
    file_space_close(file_space);
    if (file_space->pin != NULL)
        (void)vm_unmap(file_space->pin, space->page);
    if (file_space->directory != NULL)
        directory_close(file_space->directory);
    lock_destroy(&file_space->extend_lock);
    free(file_space);
}

static void file_store_close(struct space *space)
{
    file_store_forget_files(space);
    file_space_close(file_space_of(space));
}

static int open_like(struct space *fresh, const struct space *inherited)
{
    struct directory *directory = file_space_of(inherited)->directory;

    fresh->max_size = inherited->max_size;
    fresh->prefault = inherited->prefault;
    atomic_store(&fresh->snapshot, atomic_load(&inherited->snapshot));
    if (directory == NULL)
        return 0;
    int err = file_store_open(fresh, directory_ref(directory));
    if (err != 0)
        directory_close(directory);
    else if (space_snapshot_is_enabled(inherited))
        space_snapshot_enable(fresh, inherited->always_copies);
    return err;
}

static int file_store_renew(const struct space *inherited, struct space **fresh)
{
    struct space *space = file_store_create(inherited->owner);

    if (space == NULL)
        return -ENOMEM;
    int err = open_like(space, inherited);
    if (err != 0) {
        space_destroy(space);
        return err;
    }
    *fresh = space;
    return 0;
}

static const struct store_ops file_store = {
    .is_shared = true,
    .destroy = file_store_destroy,
    .map = file_store_map,
    .commit = file_store_commit,
    .release = file_store_release,
    .kept = file_store_kept,
    .renew = file_store_renew,
    .close = file_store_close,
    .known_page = file_store_known_page,
    .file = file_store_file,
    .has_policy = file_store_has_policy,
    .descriptor = file_store_descriptor,
    .freeze = file_store_freeze,
    .thaw = file_store_thaw,
    .leave_file = file_store_leave_file,
    .take_over = file_store_take_over,
    .forget_files = file_store_forget_files,
    .commit_frozen = file_store_commit_frozen,
    .thaw_unused = file_store_thaw_unused,
    .keep_spare = file_store_keep_spare,
    .use_spare = file_store_use_spare,
    .copy = file_store_copy,
    .drop_copy = file_store_drop_copy,
    .adopt_copy = file_store_adopt_copy,
    .capacity = file_store_capacity,
    .room = file_store_room,
    .holds = file_store_holds,
    .longest = file_store_longest,
    .source = file_store_source,
    .directory = file_store_directory,
};

struct space *file_store_create(unsigned owner)
{
    struct file_space *file_space = calloc(1, sizeof(*file_space));

    if (file_space == NULL)
        return NULL;
    file_space->spare_fd = -1;
    file_space->copy_fd = -1;
    if (lock_init(&file_space->extend_lock) != 0)
        goto free_space;
    if (space_init(&file_space->space, &file_store, 0, owner) != 0)
        goto destroy_lock;
    return &file_space->space;

destroy_lock:
    lock_destroy(&file_space->extend_lock);
free_space:
    free(file_space);
    return NULL;
}

int file_store_open(struct space *space, struct directory *directory)
{
    struct file_space *file_space = file_space_of(space);
    int fd = tmpfile_create(directory);

    if (fd < 0)
        return fd;
    int err = descriptor_identify(fd, &file_space->file);
    if (err == 0)
        err = file_space_pin(file_space, fd);
    if (err != 0) {
        close(fd);
        return err;
    }
    file_space_check_file_system(file_space, fd);
    file_space->directory = directory;
    space->path = (char *)directory_path(directory);
    /* Last: other threads, which report on kinds, read it. */
    __atomic_store_n(&space->fd, fd, __ATOMIC_RELEASE);
    return 0;
}
