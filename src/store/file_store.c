/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spaces whose store is a nameless file.
 *
 * The program may close the file's descriptor. What has been mapped stays, and space is given back
 * through the mapping in any case. To take space, the file is opened again where the kernel lets
 * this process (os/descriptor.h). Where it does not, pages that lie within the length of the
 * file are populated, which takes their space as well; nothing can be taken beyond.
 */
#include "store/file_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/tmpfile.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/snapshot.h"
#include "util/cancel.h"
#include "util/lock.h"
#include "util/log.h"

/*
 * So many times it is looked what populating gives, before a file is taken to have no large pages.
 */
#define HUGE_PAGE_CHECKS 8

/* -- The file's descriptor --------------------------------------------------------------------- */

/*
 * A page of the file that is always mapped: no other file can get the number of its inode, and the
 * file can be opened again before any segment is there. Replaces the page of another file at `at`.
 */
static int pin(struct space *space, int fd, void *at)
{
    void *page = mmap(at, space->page, PROT_NONE, MAP_SHARED | (at != NULL ? MAP_FIXED : 0), fd, 0);

    if (page == MAP_FAILED)
        return -errno;
    space->pin = page;
    return 0;
}

/* Says once that the descriptor is gone. */
static void note_lost(struct space *space)
{
    if (!atomic_exchange(&space->lost, true))
        log_error("%s: the file's descriptor is gone, and the file cannot be opened again",
                  space->path);
}

/* Opens the file again, and puts its number in the place of the one that was lost. */
static int open_again(struct space *space, int lost)
{
    int fd = descriptor_open_mapped(space->pin, space->page, &space->file);

    if (fd < 0) {
        note_lost(space);
        return -EBADF;
    }
    if (__atomic_compare_exchange_n(&space->fd, &lost, fd, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        atomic_store(&space->lost, false);
        return fd;
    }
    /* Another thread was quicker. */
    descriptor_close(fd, &space->file);
    return lost;
}

int file_store_file(struct space *space)
{
    int fd = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);

    if (fd < 0)
        return -EBADF;
    return descriptor_is(fd, &space->file) ? fd : open_again(space, fd);
}

static int file_store_map(struct space *space, void *addr, size_t size, off_t offset)
{
    if (space->directory == NULL)
        return -EBADF;
    int fd = file_store_file(space);
    return fd < 0 ? -ENOMEM : tmpfile_map(fd, addr, size, offset, space->in_memory);
}

/* -- Committing -------------------------------------------------------------------------------- */

static int extend_locked(struct space *space, int fd, size_t end)
{
    if (end <= space->file_size)
        return 0;
    if (fd < 0)
        return -ENOSPC;
    int err = tmpfile_extend(fd, (off_t)end);
    if (err == 0)
        space->file_size = end;
    return err;
}

/*
 * Makes the file at least `end` bytes long. Whatever takes space in a file that is populated comes
 * here first, or the file would be cut where another thread has just taken some.
 */
static int extend(struct space *space, int fd, size_t end)
{
    lock_acquire(&space->extend_lock, LOCK_EXTEND);
    int err = extend_locked(space, fd, end);
    lock_release(&space->extend_lock);
    return err;
}

/* Whether the file turns out to hold more than has been accounted for: large pages. */
static void detect_large_pages(struct space *space, int fd)
{
    size_t bytes;

    if (tmpfile_blocks(fd, &bytes) == 0 && bytes > space_held(space)) {
        atomic_store_explicit(&space->large_pages, true, memory_order_relaxed);
        atomic_store_explicit(&space->whole_chunks, true, memory_order_relaxed);
    }
}

static int allocate_small(struct space *space, int fd, off_t offset, size_t size)
{
    if (size == 0)
        return 0;
    int err = tmpfile_allocate(fd, offset, size);
    if (err == 0 && !atomic_load_explicit(&space->whole_chunks, memory_order_relaxed))
        detect_large_pages(space, fd);
    return err;
}

static bool may_check(struct space *space)
{
    return !atomic_load_explicit(&space->large_pages, memory_order_relaxed) &&
           atomic_load_explicit(&space->checks, memory_order_relaxed) < HUGE_PAGE_CHECKS &&
           atomic_fetch_add_explicit(&space->checks, 1, memory_order_relaxed) < HUGE_PAGE_CHECKS;
}

/* Populates a page, and looks whether it is there, and the next with it. */
static void check_page(struct space *space, int fd, char *addr, off_t offset)
{
    unsigned char next;

    if (tmpfile_populate(fd, addr, space->page) != 0)
        return;
    if (!tmpfile_has_page(fd, offset))
        atomic_store_explicit(&space->cannot_populate, true, memory_order_relaxed);
    else if (tmpfile_holds(fd, offset + (off_t)space->page, 1, &next))
        atomic_store_explicit(&space->large_pages, true, memory_order_relaxed);
}

/* Populates whole chunks. The first times, one page goes before the others, to see what comes. */
static int populate(struct space *space, int fd, char *addr, off_t offset, size_t size)
{
    if (may_check(space))
        check_page(space, fd, addr, offset);
    if (atomic_load_explicit(&space->cannot_populate, memory_order_relaxed))
        return -EOPNOTSUPP;
    return tmpfile_populate(fd, addr, size);
}

/*
 * Whole chunks by populating them, so that they can be large pages; what is around them is small.
 */
static int populate_chunks(struct space *space, int fd, char *addr, off_t offset, size_t size)
{
    size_t head = -(size_t)offset & (SPACE_CHUNK - 1);

    if (size < head + SPACE_CHUNK)
        return allocate_small(space, fd, offset, size);
    size_t chunks = (size - head) & ~(SPACE_CHUNK - 1);
    int err = populate(space, fd, addr + head, offset + (off_t)head, chunks);
    if (err == 0)
        err = allocate_small(space, fd, offset, head);
    if (err == 0)
        err = allocate_small(space, fd, offset + (off_t)(head + chunks), size - head - chunks);
    return err;
}

static int commit_in_memory(struct space *space, int fd, void *addr, off_t offset, size_t size)
{
    int err = extend(space, fd, (size_t)offset + size);

    if (err == 0)
        err = segment_open(space, addr, size);
    if (err != 0)
        return err;
    err = populate_chunks(space, fd, addr, offset, size);
    return err == -EOPNOTSUPP ? tmpfile_allocate(fd, offset, size) : err;
}

/* Without a descriptor: a page fault takes space too, where the file reaches so far. */
static int commit_mapped(struct space *space, void *addr, off_t offset, size_t size)
{
    if (!space->faults_reserve)
        return -ENOSPC;
    int err = space->in_memory ? extend(space, -1, (size_t)offset + size) : 0;
    if (err == 0)
        err = segment_open(space, addr, size);
    if (err == 0)
        err = segment_open(space, addr, size);
    return err == 0 ? tmpfile_populate(-1, addr, size) : err;
}

/* Opened last: until then, the file may not be so long. */
static int commit_on_disk(struct space *space, int fd, void *addr, off_t offset, size_t size)
{
    int err = tmpfile_allocate_aligned(fd, offset, size);

    return err == 0 ? segment_open(space, addr, size) : err;
}

static int file_store_commit(struct space *space, void *addr, off_t offset, size_t size)
{
    int fd = file_store_file(space);

    if (fd < 0)
        return commit_mapped(space, addr, offset, size);
    int err = space->in_memory ? commit_in_memory(space, fd, addr, offset, size)
                               : commit_on_disk(space, fd, addr, offset, size);

    /* Space was the point: where only the page tables could not be filled, page faults do it. */
    if (err == 0 && space->prefault)
        (void)tmpfile_populate(fd, addr, size);
    return err;
}

/* Through the mapping, which is the file's whatever becomes of the descriptor. */
static int file_store_release(struct space *space, void *addr, off_t offset, size_t size)
{
    int err = tmpfile_release_mapped(addr, size);

    if (err == 0)
        return 0;
    /* Pages that the program has locked or made read-only, or madvise(2) is forbidden. */
    int fd = file_store_file(space);
    return fd >= 0 ? tmpfile_release(fd, offset, size) : err;
}

static bool file_store_kept(const struct space *space, off_t offset, size_t size,
                            unsigned char *kept)
{
    int fd = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);

    return atomic_load_explicit(&space->large_pages, memory_order_relaxed) &&
           descriptor_is(fd, &space->file) && tmpfile_holds(fd, offset, size, kept);
}

int file_store_file_system(const struct space *space, size_t *bytes)
{
    int file = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);

    if (descriptor_is(file, &space->file))
        return tmpfile_capacity(file, bytes);
    if (space->directory == NULL)
        return -EBADF;
    int cancel = cancel_hold();
    int fd = directory_take_fd(space->directory);
    int err = fd;

    if (fd >= 0) {
        err = tmpfile_capacity(fd, bytes);
        directory_put_fd(space->directory, fd);
    }
    cancel_restore(cancel);
    return err;
}

/*
 * What a file system has said about itself in *size, or err; total is 0 where it says nothing. A
 * file in memory is never larger than the memory.
 */
static int bound(const struct space *space, int err, size_t total, size_t *size)
{
    if (err != 0)
        return err;
    if (!space->in_memory)
        return total == 0 ? -ENODATA : 0;
    size_t memory = tmpfile_memory();
    if (total == 0 || *size > memory)
        *size = memory;
    return 0;
}

static int file_store_capacity(const struct space *space, size_t *size)
{
    size_t total = 0;
    int err = file_store_file_system(space, &total);

    if (err == 0)
        *size = total;
    return bound(space, err, total, size);
}

static int file_store_room(const struct space *space, size_t *size)
{
    int fd = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);
    size_t total = 0;
    int err = descriptor_is(fd, &space->file) ? tmpfile_room(fd, size, &total) : -EBADF;

    return bound(space, err, total, size);
}

static int file_store_holds(const struct space *space, size_t *bytes)
{
    int fd = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);

    return descriptor_is(fd, &space->file) ? tmpfile_blocks(fd, bytes) : -EBADF;
}

static size_t file_store_longest(const struct space *space)
{
    (void)space;
    return tmpfile_longest();
}

static void learn_file_system(struct space *space, int fd)
{
    space->in_memory = tmpfile_in_memory(fd);
    space->on_disk = !space->in_memory;
    space->faults_reserve = tmpfile_faults_reserve(fd);
}

static int open_like(struct space *fresh, const struct space *inherited)
{
    struct directory *directory = inherited->directory;

    fresh->prefault = inherited->prefault;
    atomic_store(&fresh->snapshot, atomic_load(&inherited->snapshot));
    if (directory == NULL)
        return 0;
    int err = file_store_open(fresh, directory_ref(directory));
    if (err != 0)
        directory_close(directory);
    else if (space_snapshot_is_enabled(inherited))
        space_snapshot_enable(fresh);
    return err;
}

static int file_store_renew(const struct space *inherited, struct space **fresh)
{
    struct space *space = malloc(sizeof(*space));

    if (space == NULL)
        return -ENOMEM;
    int err = space_init(space, &file_store, inherited->max_size, inherited->owner);
    if (err != 0)
        goto free_space;
    err = open_like(space, inherited);
    if (err != 0)
        goto destroy;
    *fresh = space;
    return 0;

destroy:
    space_fini(space);
free_space:
    free(space);
    return err;
}

/* -- Copies ------------------------------------------------------------------------------------ */

/* Of a run of pages: first its space, since nothing may be missing when it is touched. */
struct copy {
    const struct space *space;
    int fd;
};

static int take_run(void *arg, char *addr, off_t offset, size_t size)
{
    const struct copy *copy = arg;

    (void)addr;
    return copy->space->on_disk ? tmpfile_allocate_aligned(copy->fd, offset, size)
                                : tmpfile_allocate(copy->fd, offset, size);
}

static int write_run(void *arg, char *addr, off_t offset, size_t size)
{
    const struct copy *copy = arg;

    return tmpfile_write(copy->fd, addr, size, offset);
}

static int copy_regions(struct copy *copy)
{
    const struct region *region = atomic_load(&copy->space->regions);
    int err = 0;

    if (copy->space->file_size != 0)
        err = tmpfile_extend(copy->fd, (off_t)copy->space->file_size);
    for (; region != NULL && err == 0; region = region->next) {
        err = region_for_each_run(region, true, take_run, copy);
        if (err == 0)
            err = region_for_each_run(region, false, write_run, copy);
    }
    return err;
}

/* Whether no file can be made in the directory, however much space there is. */
static bool is_closed_directory(int err)
{
    return err == -EACCES || err == -EPERM || err == -EROFS || err == -ENOENT || err == -ENOTDIR ||
           err == -ESTALE;
}

/* Daemons give up privileges, and then fork: DRAM instead of nothing. */
static int create_copy(const struct space *space)
{
    int fd = tmpfile_create(space->directory);

    if (!is_closed_directory(fd))
        return fd;
    log_error("%s: a child's copy is in DRAM, no file can be made (%s)", space->path,
              strerrordesc_np(-fd));
    return tmpfile_create_in_memory();
}

static int file_store_copy(struct space *space)
{
    struct copy copy = {.space = space, .fd = create_copy(space)};

    if (copy.fd < 0)
        return copy.fd;
    int err = descriptor_identify(copy.fd, &space->copy_file);
    if (err == 0)
        err = copy_regions(&copy);
    if (err == 0)
        space->copy_fd = copy.fd;
    else
        close(copy.fd);
    return err;
}

static int file_store_adopt_copy(struct space *space)
{
    int err = pin(space, space->fd, space->pin);

    if (err != 0)
        return err;
    atomic_store(&space->lost, false);
    learn_file_system(space, space->fd);
    /*
     * It may be in DRAM where the original was not: its length counts now, and so do large pages.
     */
    atomic_store(&space->checks, 0);
    return space->in_memory ? tmpfile_size(space->fd, &space->file_size) : 0;
}

const struct store_ops file_store = {
    .map = file_store_map,
    .commit = file_store_commit,
    .release = file_store_release,
    .kept = file_store_kept,
    .capacity = file_store_capacity,
    .room = file_store_room,
    .holds = file_store_holds,
    .longest = file_store_longest,
    .renew = file_store_renew,
    .copy = file_store_copy,
    .adopt_copy = file_store_adopt_copy,
};

int file_store_open(struct space *space, struct directory *directory)
{
    int fd = tmpfile_create(directory);

    if (fd < 0)
        return fd;
    int err = descriptor_identify(fd, &space->file);
    if (err == 0)
        err = pin(space, fd, NULL);
    if (err != 0) {
        close(fd);
        return err;
    }
    learn_file_system(space, fd);
    space->directory = directory;
    space->path = (char *)directory_path(directory);
    /* Last: other threads, which report on kinds, look for it. */
    __atomic_store_n(&space->fd, fd, __ATOMIC_RELEASE);
    return 0;
}
