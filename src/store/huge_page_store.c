/* SPDX-License-Identifier: BSD-2-Clause */
/* The store of spaces over private huge pages. */
#include "store/huge_page_store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "os/huge_pages_pool.h"
#include "os/vm.h"
#include "space/page_bitmap.h"
#include "space/region.h"
#include "store/anonymous_store.h"
#include "util/clock.h"
#include "util/log.h"

/* From this size on, a query of the pool costs little beside an attempt. */
#define LARGE_COMMIT ((size_t)64 << 20)

#define EMPTY_NS 10000000ll

/* Whether it is certain that the huge page of an address is not there. */
static bool is_missing(char *addr)
{
    return vm_is_missing(align_ptr_down(addr, SPACE_CHUNK));
}

/* -- Pages for this process -------------------------------------------------------------------- */

/* Whether any page of a chunk is committed. The caller holds the lock of its region. */
static bool has_pages(const struct space *space, const char *chunk)
{
    const struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);

    while ((size_t)(chunk - region->base) >= region->pages * space->page)
        region = region->next;
    size_t first = (size_t)(chunk - region->base) / space->page;
    size_t end = first + SPACE_CHUNK / space->page;
    if (end > region->pages)
        end = region->pages;
    return page_bitmap_next_set(region->committed, first, end) < end;
}

/*
 * Replaces the map of chunks without committed pages by a map with a reservation, and populates it.
 * After a fork, parent and child share huge pages. Where the pool has no page for the first write
 * of the parent, the kernel takes the page away from the child if the parent has a reservation, and
 * else ends the parent by SIGBUS. The new map is made elsewhere and moved, since a failed mmap(2)
 * with MAP_FIXED leaves no map, and a failed mremap(2) leaves both. Linux 5.16 and later can move
 * huge pages. Where any call fails, the chunks stay as they are.
 */
static void claim(struct space *space, char *first, char *end)
{
    size_t size = (size_t)(end - first);
    void *claimed;

    if (first == end || anonymous_store_claim(space, size, &claimed) != 0)
        return;
    if (vm_populate(claimed, size) != 0 || vm_move(claimed, size, first) != 0)
        (void)vm_unmap(claimed, size);
}

/* The same with all chunks of the range that have no committed page. */
static void claim_empty(struct space *space, char *first, char *end)
{
    char *run = first;

    for (char *chunk = first; chunk < end; chunk += SPACE_CHUNK)
        if (has_pages(space, chunk)) {
            claim(space, run, chunk);
            run = chunk + SPACE_CHUNK;
        }
    claim(space, run, end);
}

/*
 * Gives the pages and the reservation of whole chunks back to the pool. A new map does both; before
 * Linux 5.18, MADV_DONTNEED rejects huge pages. 0 or -errno.
 */
static int release_chunks(struct space *space, char *first, char *last)
{
    size_t size = (size_t)(last - first);

    if (anonymous_store_place(space, first, size, VM_WRITE) == 0)
        return 0;
    return vm_discard(first, size);
}

static int huge_page_commit(struct space *space, void *addr, off_t offset, size_t size)
{
    char *first = align_ptr_down(addr, SPACE_CHUNK);
    char *end = align_ptr_up((char *)addr + size, SPACE_CHUNK);

    (void)offset;
    claim_empty(space, first, end);
    /* Skips huge pages that are there already. */
    int err = vm_populate(first, (size_t)(end - first));
    if (err == 0 && !is_missing(first))
        return 0;
    /* An emulator may ignore the call and return success. */
    if (err == -EINVAL || err == 0)
        log_error("huge pages cannot be allocated safely: this kernel has no MADV_POPULATE_WRITE");
    return -ENOMEM;
}

/*
 * When the pool was last found empty, in nanoseconds; 0 once this process has given a page back.
 * The result is used again for EMPTY_NS, since programs that can get no huge pages try for each
 * block.
 */
static atomic_llong found_empty;
static atomic_uint releases; /* how often this process has given pages back */

static bool is_used_up(void)
{
    unsigned requested = atomic_load(&releases);
    long long before = atomic_load(&found_empty);
    int64_t time = clock_coarse_ns();

    if (before != 0 && time - before < EMPTY_NS)
        return true;
    if (!huge_pages_pool_is_empty())
        return false;
    atomic_store(&found_empty, time);
    /*
     * A thread that gives pages back counts them before it clears found_empty: so either this
     * thread reads the new count, or that thread clears the value.
     */
    if (atomic_load(&releases) != requested)
        atomic_store(&found_empty, 0);
    return true;
}

static int huge_page_room(const struct space *space, size_t needed, size_t *size)
{
    (void)space;
    *size = 0;
    if (is_used_up())
        return 0;
    if (needed < LARGE_COMMIT)
        return -ENODATA;
    size_t pages = huge_pages_pool_free();
    *size = pages < SIZE_MAX / HUGE_PAGES_POOL_PAGE ? pages * HUGE_PAGES_POOL_PAGE : SIZE_MAX;
    return 0;
}

void huge_page_store_recheck(void)
{
    atomic_store(&found_empty, 0);
}

/* Whether a region ends here: the rest of its last chunk belongs to no other region. */
static bool ends_region(const struct space *space, const char *end)
{
    const struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);

    while (region != NULL && region->base + region->pages * space->page != end)
        region = region->next;
    return region != NULL;
}

/*
 * Sets a part of one huge page to zero. After a failed commit the page may be missing: then there
 * is nothing to do. To populate a present page changes nothing; -EFAULT means that the page is
 * missing and the pool is empty. Returns -errno if the page may be present with its old contents.
 */
static int clear_in_page(char *start, char *end)
{
    if (is_missing(start))
        return 0;
    char *page = align_ptr_down(start, SPACE_CHUNK);
    int err = vm_populate(page, SPACE_CHUNK);
    if (err != 0)
        return err == -EFAULT ? 0 : err;
    memset(start, 0, (size_t)(end - start));
    return 0;
}

/* The same with any range. Continues after a failure, and returns the last error. */
static int clear(char *start, char *end)
{
    int err = 0;

    while (start < end) {
        char *next = align_ptr_up(start + 1, SPACE_CHUNK);
        int page_err = clear_in_page(start, next < end ? next : end);

        if (page_err != 0)
            err = page_err;
        start = next;
    }
    return err;
}

static int huge_page_release(struct space *space, void *addr, off_t offset, size_t size)
{
    char *start = addr;
    char *end = start + size;
    char *first = align_ptr_up(start, SPACE_CHUNK);
    char *last = align_ptr_down(end, SPACE_CHUNK);

    (void)offset;
    if (first <= last && last != end && ends_region(space, end))
        last += SPACE_CHUNK;
    if (first >= last || release_chunks(space, first, last) != 0)
        return clear(start, end);
    atomic_fetch_add(&releases, 1);
    atomic_store(&found_empty, 0);
    int err = clear(start, first);
    int tail_err = last < end ? clear(last, end) : 0;
    return err != 0 ? err : tail_err;
}

static int huge_page_map(struct space *space, void *addr, size_t size, off_t offset)
{
    (void)offset;
    return anonymous_store_place(space, addr, size, VM_WRITE);
}

static int huge_page_pool(const struct space *space, struct store_source *source)
{
    (void)space;
    *source = (struct store_source){.pool = &found_empty};
    return 0;
}

const struct store_ops huge_page_store = {
    .destroy = anonymous_store_destroy,
    .map = huge_page_map,
    .commit = huge_page_commit,
    .release = huge_page_release,
    .room = huge_page_room,
    .source = huge_page_pool,
};
