/* SPDX-License-Identifier: BSD-2-Clause */
/* How the file of a space gets its space: before a page is touched, so that none is a SIGBUS. */
#include <errno.h>
#include <unistd.h>

#include "os/tmpfile.h"
#include "space/segment.h"
#include "store/file_space.h"
#include "util/lock.h"

/* So many commits check for large pages, before a file counts as one without. */
#define HUGE_PAGE_CHECKS 8

/* The most that is collapsed to large pages at once. Longer blocks are often used in part. */
#define COLLAPSE_MOST ((size_t)64 << 20)

/* After failures in a row, the most commits that do not attempt to collapse. */
#define COLLAPSE_PAUSE_MOST 1023

static int extend_locked(struct file_space *file_space, int fd, size_t end)
{
    if (end <= file_space->file_size)
        return 0;
    if (fd < 0)
        return -ENOSPC;
    int err = tmpfile_extend(fd, (off_t)end);
    if (err == 0)
        file_space->file_size = end;
    return err;
}

/*
 * Makes the file at least `end` bytes long, up to the end of the chunk if the file can be so long:
 * a fork freezes whole chunks, and then need not lengthen the file. Each commit in memory first
 * makes the file long enough here: otherwise another thread would truncate the file where this one
 * has taken space.
 */
static int extend(struct file_space *file_space, int fd, size_t end)
{
    lock_acquire(&file_space->extend_lock, LOCK_EXTEND);
    int err = extend_locked(file_space, fd, align_up(end, SPACE_CHUNK));
    if (err != 0)
        err = extend_locked(file_space, fd, end);
    lock_release(&file_space->extend_lock);
    return err;
}

static void lengthen_locked(struct file_space *file_space, int fd, size_t end)
{
    if (end > file_space->file_size && !file_space->in_memory)
        (void)tmpfile_size(fd, &file_space->file_size);
    (void)extend_locked(file_space, fd, end);
}

void file_space_lengthen(struct file_space *file_space, int fd, size_t end)
{
    lock_acquire(&file_space->extend_lock, LOCK_EXTEND);
    lengthen_locked(file_space, fd, end);
    lock_release(&file_space->extend_lock);
}

/* Records large pages, where the file holds more than the space does. */
static void detect_large_pages(struct file_space *file_space, int fd)
{
    size_t bytes;

    if (tmpfile_blocks(fd, &bytes) == 0 && bytes > space_held(&file_space->space)) {
        atomic_store_explicit(&file_space->large_pages, true, memory_order_relaxed);
        atomic_store_explicit(&file_space->space.whole_chunks, true, memory_order_relaxed);
    }
}

static int allocate_small(struct file_space *file_space, int fd, off_t offset, size_t size)
{
    if (size == 0)
        return 0;
    int err = tmpfile_allocate(fd, offset, size);
    if (err == 0 && !atomic_load_explicit(&file_space->space.whole_chunks, memory_order_relaxed))
        detect_large_pages(file_space, fd);
    return err;
}

static bool may_check(struct file_space *file_space)
{
    return !atomic_load_explicit(&file_space->large_pages, memory_order_relaxed) &&
           atomic_load_explicit(&file_space->checks, memory_order_relaxed) < HUGE_PAGE_CHECKS &&
           atomic_fetch_add_explicit(&file_space->checks, 1, memory_order_relaxed) <
               HUGE_PAGE_CHECKS;
}

/* Populates a page, and records whether that works, and whether it takes the next page as well. */
static void check_page(struct file_space *file_space, int fd, char *addr, off_t offset)
{
    unsigned char next;

    if (tmpfile_populate(fd, addr, file_space->space.page) != 0)
        return;
    if (!tmpfile_has_page(fd, offset))
        atomic_store_explicit(&file_space->cannot_populate, true, memory_order_relaxed);
    else if (tmpfile_holds(fd, offset + (off_t)file_space->space.page, 1, &next))
        atomic_store_explicit(&file_space->large_pages, true, memory_order_relaxed);
}

/*
 * The kernel clears a large page when it allocates the page. That is cheap for memory that was used
 * a moment ago, as when large blocks come and go under CONSERVATIVE. Other memory may first have to
 * be compacted, or come from the host of a virtual machine. So kinds that keep what was freed take
 * small pages, which are cleared as they are used.
 */
static bool may_collapse(struct file_space *file_space, size_t size)
{
    if (!atomic_load_explicit(&file_space->space.exact, memory_order_relaxed) ||
        size > COLLAPSE_MOST || file_space->space.page != COLLAPSE_SMALL_PAGE)
        return false;
    unsigned pause = atomic_load_explicit(&file_space->collapse_pause, memory_order_relaxed);
    if (pause > 0)
        atomic_store_explicit(&file_space->collapse_pause, pause - 1, memory_order_relaxed);
    return pause == 0;
}

/*
 * Takes large pages where the file system gives small ones: 2 MiB take 0.1 ms, not 0.4 by
 * fallocate(2) and 0.7 by page faults. Where the kernel has none, or finds no memory for them in
 * one piece, the next attempts come more and more rarely.
 */
static void collapse_chunks(struct file_space *file_space, int fd, char *addr, off_t offset,
                            size_t size)
{
    unsigned failures = 0;

    if (tmpfile_collapse(fd, addr, offset, size) != 0) {
        failures = atomic_load_explicit(&file_space->collapse_failures, memory_order_relaxed);
        failures = failures < COLLAPSE_PAUSE_MOST ? 2 * failures + 1 : failures;
        atomic_store_explicit(&file_space->collapse_pause, failures, memory_order_relaxed);
    }
    atomic_store_explicit(&file_space->collapse_failures, failures, memory_order_relaxed);
}

/* Takes chunks of a file that gets no large pages by populating. */
static int allocate_chunks(struct file_space *file_space, int fd, char *addr, off_t offset,
                           size_t size)
{
    if (may_collapse(file_space, size))
        collapse_chunks(file_space, fd, addr, offset, size);
    return tmpfile_allocate(fd, offset, size);
}

/*
 * Takes whole chunks. On a tmpfs with huge=, large pages come by populating. Without large pages,
 * fallocate(2) takes half of the time, and a page fault comes only for each page that is touched.
 * The first times, one page is populated before the others, to check what comes.
 */
static int commit_chunks(struct file_space *file_space, int fd, char *addr, off_t offset,
                         size_t size)
{
    int err = -EOPNOTSUPP;

    if (may_check(file_space))
        check_page(file_space, fd, addr, offset);
    if (!atomic_load_explicit(&file_space->large_pages, memory_order_relaxed))
        err = allocate_chunks(file_space, fd, addr, offset, size);
    if (err != -EOPNOTSUPP)
        return err;
    if (!atomic_load_explicit(&file_space->cannot_populate, memory_order_relaxed))
        err = tmpfile_populate(fd, addr, size);
    return err == -EOPNOTSUPP ? tmpfile_allocate(fd, offset, size) : err;
}

/* Whole chunks can be large pages; what is around them is small. */
static int commit_opened(struct file_space *file_space, int fd, char *addr, off_t offset,
                         size_t size)
{
    size_t head = align_rest((size_t)offset, SPACE_CHUNK);

    if (size < head + SPACE_CHUNK)
        return allocate_small(file_space, fd, offset, size);
    size_t chunks = align_down(size - head, SPACE_CHUNK);
    int err = commit_chunks(file_space, fd, addr + head, offset + (off_t)head, chunks);
    if (err == 0)
        err = allocate_small(file_space, fd, offset, head);
    if (err == 0)
        err = allocate_small(file_space, fd, offset + (off_t)(head + chunks), size - head - chunks);
    return err;
}

static int commit_in_memory(struct file_space *file_space, int fd, void *addr, off_t offset,
                            size_t size)
{
    int err = extend(file_space, fd, (size_t)offset + size);

    if (err == 0)
        err = segment_open(&file_space->space, addr, size);
    return err == 0 ? commit_opened(file_space, fd, addr, offset, size) : err;
}

/* Without a descriptor: within the length of the file, a page fault takes space, too. */
static int commit_mapped(struct file_space *file_space, void *addr, off_t offset, size_t size)
{
    if (!file_space->faults_reserve)
        return -ENOSPC;
    int err = file_space->in_memory ? extend(file_space, -1, (size_t)offset + size) : 0;
    if (err == 0)
        err = segment_open(&file_space->space, addr, size);
    return err == 0 ? tmpfile_populate(-1, addr, size) : err;
}

/* Opens the segment last: the file may be too short before. */
static int commit_on_disk(struct file_space *file_space, int fd, void *addr, off_t offset,
                          size_t size)
{
    int err = tmpfile_allocate_aligned(fd, offset, size);

    return err == 0 ? segment_open(&file_space->space, addr, size) : err;
}

int file_store_commit(struct space *space, void *addr, off_t offset, size_t size)
{
    struct file_space *file_space = file_space_of(space);
    int err = file_space_need_file(file_space);

    if (err != 0)
        return err;
    int fd = file_space_fd(file_space);
    if (fd < 0)
        return commit_mapped(file_space, addr, offset, size);
    err = file_space->in_memory ? commit_in_memory(file_space, fd, addr, offset, size)
                                : commit_on_disk(file_space, fd, addr, offset, size);

    /* There is space. Where the page tables cannot be filled, page faults fill them. */
    if (err == 0 && space->prefault)
        (void)tmpfile_populate(fd, addr, size);
    return err;
}
