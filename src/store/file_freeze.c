/* SPDX-License-Identifier: BSD-2-Clause */
/* The file store's part of freezing (space/freeze.h): frozen files, and the child's own file. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/frozen_map.h"
#include "os/holders.h"
#include "os/page_effects.h"
#include "os/process_maps.h"
#include "os/tmpfile.h"
#include "os/vm.h"
#include "space/freeze.h"
#include "space/segment.h"
#include "store/file_space.h"
#include "util/cancel.h"
#include "util/errno_text.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/log.h"

/* -- A file of the child's own ----------------------------------------------------------------- */

/* Returns whether the error means that no file can be created in the directory, with any space. */
static bool is_closed_directory(int err)
{
    return err == -EACCES || err == -EPERM || err == -EROFS || err == -ENOENT || err == -ENOTDIR ||
           err == -ESTALE || err == -ENOSYS;
}

/* A daemon may drop its privileges and then fork: the child gets DRAM instead of no memory. */
int file_space_create_like(const struct file_space *file_space)
{
    int fd = tmpfile_create(file_space->directory);

    if (!is_closed_directory(fd))
        return fd;
    log_error("%s: a child's memory is in DRAM, no file can be made (%s)", file_space->space.path,
              errno_text(-fd));
    return tmpfile_create_in_memory();
}

/* Without a free descriptor number, the file gets the number of the spare descriptor. */
static int create_with_spare(struct file_space *file_space)
{
    int fd = file_space_create_like(file_space);

    if (fd != -EMFILE || file_space->spare_fd < 0)
        return fd;
    file_space_close_spare(file_space);
    return file_space_create_like(file_space);
}

/* Maps [from, to) of the segment, of which nothing is committed, over the file. */
static int map_over(const struct segment *segment, int fd, size_t from, size_t to, bool in_memory)
{
    size_t open = atomic_load(&segment->open);

    if (from == to)
        return 0;
    int err =
        tmpfile_map(fd, segment->base + from, to - from, segment->offset + (off_t)from, in_memory);
    if (err != 0 || from >= open)
        return err;
    return vm_protect(segment->base + from, (to < open ? to : open) - from, VM_WRITE);
}

/* Maps the chunks of the segment that are not frozen. */
static int map_unfrozen(const struct segment *segment, int fd, bool in_memory)
{
    size_t from = 0;
    int err = 0;

    for (size_t at = 0; at < segment->taken && err == 0; at += SPACE_CHUNK)
        if (segment->files[at >> SPACE_CHUNK_SHIFT] != 0) {
            err = map_over(segment, fd, from, at, in_memory);
            from = at + SPACE_CHUNK;
        }
    return err == 0 ? map_over(segment, fd, from, segment->size, in_memory) : err;
}

/* Maps all segments over the file. After an error, the mapped ones are not used before a retry. */
static int map_segments(struct file_space *file_space, int fd, bool in_memory)
{
    const struct segment *segment = atomic_load(&file_space->space.segments);
    int err = file_space_pin(file_space, fd);

    for (; segment != NULL && err == 0; segment = segment->next)
        if (segment->size != 0)
            err = map_unfrozen(segment, fd, in_memory);
    return err;
}

static void take_file(struct file_space *file_space, int fd, const struct descriptor_file *file)
{
    file_space_close_spare(file_space);
    file_space->file = *file;
    file_space->spare_fd = descriptor_duplicate(fd);
    file_space_check_file_system(file_space, fd);
    atomic_store(&file_space->checks, 0);
    __atomic_store_n(&file_space->space.fd, fd, __ATOMIC_RELEASE);
    atomic_store(&file_space->space.lacks_file, false);
}

static int make_file_locked(struct file_space *file_space)
{
    struct descriptor_file file;

    if (!atomic_load(&file_space->space.lacks_file))
        return 0;
    int fd = create_with_spare(file_space);
    if (fd < 0)
        return fd;
    int err = descriptor_identify(fd, &file);
    if (err == 0)
        err = map_segments(file_space, fd, tmpfile_in_memory(fd));
    if (err == 0)
        take_file(file_space, fd, &file);
    else
        close(fd);
    return err;
}

int file_space_need_file(struct file_space *file_space)
{
    if (!atomic_load_explicit(&file_space->space.lacks_file, memory_order_acquire))
        return 0;
    int cancel = cancel_hold();
    lock_acquire(&file_space->extend_lock, LOCK_EXTEND);
    int err = make_file_locked(file_space);
    lock_release(&file_space->extend_lock);
    cancel_restore(cancel);
    return err;
}

/* -- Freezing ---------------------------------------------------------------------------------- */

const void *file_store_known_page(const struct space *space)
{
    return file_space_of(space)->pin;
}

const struct descriptor_file *file_store_file(const struct space *space)
{
    return &file_space_of(space)->file;
}

/* A file in memory has its policies itself, whatever is mapped. */
bool file_store_has_policy(const struct space *space, void *addr)
{
    return !file_space_of(space)->in_memory && page_effects_have_policy(addr);
}

int file_store_descriptor(struct space *space)
{
    return file_space_fd(file_space_of(space));
}

/*
 * Lengthens the file before processes share it: no process lengthens a shared file. If the file
 * cannot be so long, commits behind its end fail.
 */
int file_store_freeze(struct space *space, void *addr, off_t offset, size_t size,
                      const struct process_map *like)
{
    struct file_space *file_space = file_space_of(space);
    int fd = file_space_fd(file_space);
    struct page_effects saved;

    if (fd < 0)
        return fd;
    file_space_lengthen(file_space, fd, (size_t)offset + size);
    page_effects_save(&saved, addr, size, like->effects, file_space->in_memory);
    int err = frozen_map_private(fd, addr, size, offset, like->protection, file_space->in_memory);
    page_effects_restore(&saved, addr, size);
    return err;
}

int file_store_thaw(struct space *space, void *addr, off_t offset, size_t size,
                    const struct process_map *like)
{
    struct file_space *file_space = file_space_of(space);
    int fd = file_space_fd(file_space);
    struct page_effects saved;

    if (fd < 0)
        return fd;
    page_effects_save(&saved, addr, size, like->effects, file_space->in_memory);
    int err = frozen_map_shared(fd, addr, size, offset, like->protection, file_space->in_memory);
    page_effects_restore(&saved, addr, size);
    return err;
}

void file_store_leave_file(struct space *space)
{
    struct file_space *file_space = file_space_of(space);

    (void)lock_init(&file_space->extend_lock);
    if (atomic_load(&space->lacks_file))
        return;
    if (space->holders == NULL) {
        /* Nothing lies in the parent's file. */
        descriptor_close(space->fd, &file_space->file);
    } else {
        INVARIANT(space->file_number < SPACE_FILES_MOST);
        file_space->older[space->file_number++] = (struct older_file){
            .fd = space->fd,
            .file = file_space->file,
            .pin = file_space->pin,
            .size = file_space->file_size,
            .holders = space->holders,
        };
        space->holders = NULL;
        file_space->pin = NULL;
    }
    __atomic_store_n(&space->fd, -1, __ATOMIC_RELEASE);
    file_space->file_size = 0;
    atomic_store(&file_space->lost, false);
    atomic_store(&space->lacks_file, true);
}

static void leave(struct older_file *older, size_t page)
{
    if (older->holders == NULL)
        return;
    descriptor_close(older->fd, &older->file);
    if (older->pin != NULL)
        (void)vm_unmap(older->pin, page);
    holders_put(older->holders);
    *older = (struct older_file){.fd = -1};
}

/* -- The file of an ancestor ------------------------------------------------------------------- */

/* Where the file has what the ancestor has put there since: nothing of this space. */
static int clear(const struct segment *segment, int fd, unsigned frozen)
{
    size_t from = 0;
    int err = 0;

    for (size_t at = 0; at < segment->taken && err == 0; at += SPACE_CHUNK)
        if (segment->files[at >> SPACE_CHUNK_SHIFT] == frozen) {
            if (from != at)
                err = tmpfile_release(fd, segment->offset + (off_t)from, at - from);
            from = at + SPACE_CHUNK;
        }
    return err == 0 && from != segment->size
               ? tmpfile_release(fd, segment->offset + (off_t)from, segment->size - from)
               : err;
}

/* The same behind all segments, where the ancestor may have made more. */
static int clear_rest(const struct space *space, int fd, size_t size)
{
    size_t end = 0;

    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next)
        if ((size_t)segment->offset + segment->size > end)
            end = (size_t)segment->offset + segment->size;
    return end < size ? tmpfile_release(fd, (off_t)end, size - end) : 0;
}

static int clear_file(const struct space *space, int fd, size_t *size)
{
    int err = tmpfile_size(fd, size);

    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL && err == 0;
         segment = segment->next)
        if (segment->size != 0)
            err = clear(segment, fd, space->file_number);
    return err == 0 ? clear_rest(space, fd, *size) : err;
}

/* Maps and clears all that is not frozen over the ancestor's file, which is the space's then. */
static int take_over_locked(struct file_space *file_space)
{
    struct space *space = &file_space->space;
    struct older_file *older = &file_space->older[space->file_number - 1];
    struct descriptor_file file = older->file;
    size_t size;

    if (older->holders == NULL || !descriptor_is(older->fd, &file) ||
        !holders_are_one(older->holders))
        return -EBUSY;
    int err = clear_file(space, older->fd, &size);
    if (err == 0)
        err = map_segments(file_space, older->fd, tmpfile_in_memory(older->fd));
    if (err != 0)
        return err;
    (void)vm_unmap(older->pin, space->page);
    space->holders = older->holders;
    space->file_number--;
    file_space->file_size = size;
    int fd = older->fd;
    *older = (struct older_file){.fd = -1};
    take_file(file_space, fd, &file);
    return 0;
}

int file_store_take_over(struct space *space)
{
    struct file_space *file_space = file_space_of(space);

    if (!atomic_load(&space->lacks_file) || space->file_number == 0)
        return -EBUSY;
    lock_acquire(&file_space->extend_lock, LOCK_EXTEND);
    int err = take_over_locked(file_space);
    lock_release(&file_space->extend_lock);
    return err;
}

void file_store_forget_files(struct space *space)
{
    for (unsigned i = 0; i < space->file_number; i++)
        leave(&file_space_of(space)->older[i], space->page);
}

/* -- Frozen chunks ----------------------------------------------------------------------------- */

/* Returns the descriptor of the frozen file of this number; -EBADF: the program has closed it. */
static int frozen_file(struct file_space *file_space, unsigned number, size_t *file_size)
{
    const struct older_file *older = &file_space->older[number];

    if (number == file_space->space.file_number) {
        *file_size = file_space->file_size;
        return file_space_fd(file_space);
    }
    *file_size = older->size;
    return descriptor_is(older->fd, &older->file) ? older->fd : -EBADF;
}

/*
 * Allocates space in the file, so that to read the pages raises no SIGBUS. If that is not
 * supported, writes to each page, so that the kernel copies the pages to DRAM.
 */
int file_store_commit_frozen(struct space *space, unsigned number, void *addr, off_t offset,
                             size_t size)
{
    size_t file_size;
    int fd = frozen_file(file_space_of(space), number, &file_size);

    if ((size_t)offset + size > file_size)
        return -EFBIG;
    int err = segment_open(space, addr, size);
    if (err != 0)
        return err;
    err = fd >= 0 ? frozen_map_reserve(fd, offset, size) : -EOPNOTSUPP;
    if (err == -EOPNOTSUPP || (err == 0 && space->prefault))
        err = tmpfile_populate(-1, addr, size);
    return err;
}

/*
 * A failure leaves the mapping as it was where the whole chunk is open: one call maps it. The chunk
 * at the end of what is open is mapped without access first.
 */
static int map_unused(struct file_space *file_space, const struct segment *segment, size_t at)
{
    char *addr = segment->base + at;
    off_t offset = segment->offset + (off_t)at;
    int fd = file_space_fd(file_space);

    if (fd >= 0 && at + SPACE_CHUNK <= atomic_load(&segment->open))
        return frozen_map_shared(fd, addr, SPACE_CHUNK, offset, PROT_READ | PROT_WRITE,
                                 file_space->in_memory);
    return map_over(segment, fd, at, at + SPACE_CHUNK, file_space->in_memory);
}

static int thaw_unused_locked(struct file_space *file_space, struct segment *segment, char *addr)
{
    size_t at = (size_t)(addr - segment->base);
    int err = 0;

    /* Without a file yet, file_space_need_file() will map the chunk with the others. */
    if (atomic_load(&file_space->space.lacks_file))
        (void)vm_discard(addr, SPACE_CHUNK);
    else
        err = map_unused(file_space, segment, at);
    if (err == 0) {
        segment->files[at >> SPACE_CHUNK_SHIFT] = 0;
        atomic_fetch_sub(&file_space->space.frozen, SPACE_CHUNK);
    }
    return err;
}

int file_store_thaw_unused(struct space *space, void *addr)
{
    struct file_space *file_space = file_space_of(space);

    lock_acquire(&file_space->extend_lock, LOCK_EXTEND);
    int err = thaw_unused_locked(file_space, segment_of(space, addr), addr);
    lock_release(&file_space->extend_lock);
    return err;
}
