/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces over private huge pages. */
#include "space/huge_pages.h"

#include <errno.h>
#include <linux/mman.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "space/region.h"
#include "util/log.h"
#include "util/madvise.h"

#define NS_PER_S    1000000000ll
#define BELIEVED_NS 10000000ll

/*
 * Whether it is certain that the huge page of an address is not there. mincore(2) may be forbidden,
 * or tell a process that has given up its user id that all pages are there.
 */
static bool is_missing(char *addr)
{
    unsigned char there = 0;

    addr -= (uintptr_t)addr & (SPACE_CHUNK - 1);
    return mincore(addr, 1, &there) == 0 && (there & 1) == 0;
}

int huge_pages_commit(struct space *space, void *addr, off_t offset, size_t size)
{
    char *first = (char *)addr - ((uintptr_t)addr & (SPACE_CHUNK - 1));
    char *end = (char *)addr + size;

    (void)space;
    (void)offset;
    end += -(uintptr_t)end & (SPACE_CHUNK - 1);
    /* Huge pages that are there already are passed over. */
    int err = madvise(first, (size_t)(end - first), MADV_POPULATE_WRITE) == 0 ? 0 : errno;
    if (err == 0 && !is_missing(first))
        return 0;
    /* An emulator may answer yes and do nothing. */
    if (err == EINVAL || err == 0)
        log_error("huge pages cannot be taken safely: this kernel has no MADV_POPULATE_WRITE");
    return -ENOMEM;
}

/*
 * When the pool was last found empty, in nanoseconds; 0 once this process has given a page back. It
 * is believed for a while, since asking is dear: programs that cannot have huge pages try them for
 * each block.
 */
static atomic_llong found_empty;
static atomic_uint given_back; /* how often this process has given pages back */

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/*
 * A private map of a huge page reserves it, or there is none: that is one call, and touches none.
 */
static bool is_pool_empty(void)
{
    int saved_errno = errno;
    void *page = mmap(NULL, SPACE_CHUNK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);

    if (page != MAP_FAILED)
        munmap(page, SPACE_CHUNK);
    errno = saved_errno;
    return page == MAP_FAILED;
}

bool huge_pages_are_used_up(const struct space *space)
{
    unsigned given = atomic_load(&given_back);
    long long before = atomic_load(&found_empty);
    long long time = now();

    (void)space;
    if (before != 0 && time - before < BELIEVED_NS)
        return true;
    if (!is_pool_empty())
        return false;
    atomic_store(&found_empty, time);
    /*
     * Whoever gives back counts first: either that is seen here, or the note is taken away there.
     */
    if (atomic_load(&given_back) != given)
        atomic_store(&found_empty, 0);
    return true;
}

void huge_pages_look_again(void)
{
    atomic_store(&found_empty, 0);
}

/* Where the region ends within its last chunk, nobody else has the rest of that. */
static bool ends_region(const struct space *space, const char *end)
{
    const struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);

    while (region != NULL && region->base + region->pages * space->page != end)
        region = region->next;
    return region != NULL;
}

/*
 * Sets to zero what is there of one huge page: a commit that failed may have left none. It is taken
 * first, which it need not be where it is there; EFAULT says that there is none, and none left. 0 or
 * -errno, where it may be there and has its contents.
 */
static int clear_in_page(char *start, char *end)
{
    if (is_missing(start))
        return 0;
    char *page = start - ((uintptr_t)start & (SPACE_CHUNK - 1));
    if (madvise(page, SPACE_CHUNK, MADV_POPULATE_WRITE) != 0)
        return errno == EFAULT ? 0 : -errno;
    memset(start, 0, (size_t)(end - start));
    return 0;
}

/* The same with any range. Goes on where a page fails; the last error. */
static int clear(char *start, char *end)
{
    int err = 0;

    while (start < end) {
        char *next = start + SPACE_CHUNK - ((uintptr_t)start & (SPACE_CHUNK - 1));
        int page_err = clear_in_page(start, next < end ? next : end);

        if (page_err != 0)
            err = page_err;
        start = next;
    }
    return err;
}

int huge_pages_release(struct space *space, void *addr, off_t offset, size_t size)
{
    char *start = addr;
    char *end = start + size;
    char *first = start + (-(uintptr_t)start & (SPACE_CHUNK - 1));
    char *last = end - ((uintptr_t)end & (SPACE_CHUNK - 1));

    (void)offset;
    if (first <= last && last != end && ends_region(space, end))
        last += SPACE_CHUNK;
    /* Huge pages cannot be given back before Linux 5.18: then they stay. */
    if (first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED) != 0)
        return clear(start, end);
    atomic_fetch_add(&given_back, 1);
    atomic_store(&found_empty, 0);
    int err = clear(start, first);
    int tail_err = last < end ? clear(last, end) : 0;
    return err != 0 ? err : tail_err;
}
