/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of one region and their states. */
#include "space/region.h"

#include <errno.h>
#include <string.h>

#include "os/vm.h"
#include "space/page_bitmap.h"
#include "space/space.h"
#include "util/invariant.h"
#include "util/lock.h"

/* A large region is committed in about so many steps. */
#define REGION_STEPS 32

struct region *region_new(struct space *space, char *base, off_t offset, size_t size)
{
    size_t pages = size / space->page;
    size_t map_size = page_bitmap_words(pages) * sizeof(uint64_t);
    struct region *region = metadata_take(&space->metadata, sizeof(*region));
    uint64_t *maps = metadata_take(&space->metadata, 3 * map_size);

    if (region == NULL || maps == NULL || lock_init(&region->lock) != 0)
        return NULL;
    region->space = space;
    region->base = base;
    region->offset = offset;
    region->pages = pages;
    region->committed = maps;
    region->used = maps + page_bitmap_words(pages);
    region->stale = maps + 2 * page_bitmap_words(pages);
    return region;
}

/* Whether the bitmaps agree. The caller holds the lock. */
static bool is_valid_locked(const struct region *region)
{
    size_t end = page_bitmap_words(region->pages) * PAGE_BITMAP_WORD_PAGES;

    return page_bitmap_is_subset(region->used, region->committed, region->pages) &&
           page_bitmap_is_subset(region->stale, region->committed, region->pages) &&
           page_bitmap_is_disjoint(region->stale, region->used, region->pages) &&
           page_bitmap_count(region->committed, region->pages, end) == 0;
}

/* All changes of the bitmaps are between these two. */
static void lock_region(struct region *region)
{
    lock_acquire(&region->lock, LOCK_REGION);
    INVARIANT(is_valid_locked(region));
}

static void unlock_region(struct region *region)
{
    INVARIANT(is_valid_locked(region));
    lock_release(&region->lock);
}

void region_count(const struct region *region, struct region_counts *counts)
{
    size_t committed = page_bitmap_count(region->committed, 0, region->pages);

    counts->held += committed * region->space->page;
    counts->ahead +=
        (committed - page_bitmap_count(region->used, 0, region->pages)) * region->space->page;
    counts->stale += page_bitmap_count(region->stale, 0, region->pages) * region->space->page;
}

/* A range of pages, [first, end). */
struct page_run {
    size_t first;
    size_t end;
};

/* Returns the range in whole steps of `size` bytes. The last step may end with the region. */
static struct page_run widen(const struct region *region, size_t first, size_t end, size_t size)
{
    size_t step = size / region->space->page;
    size_t rounded = align_up(end, step);

    return (struct page_run){
        .first = align_down(first, step),
        .end = rounded < region->pages ? rounded : region->pages,
    };
}

/* -- Files ------------------------------------------------------------------------------------- */

/* Returns the number of the file that the page's chunk is frozen over; 0: not frozen. */
static unsigned file_of(const struct region *region, size_t page)
{
    if (region->files == NULL)
        return 0;
    return atomic_load_explicit(&region->files[page * region->space->page >> SPACE_CHUNK_SHIFT],
                                memory_order_relaxed);
}

/* Returns the end of the pages from `first` to `end` whose chunks lie in the same file. */
static size_t file_end(const struct region *region, size_t first, size_t end)
{
    size_t chunk = SPACE_CHUNK / region->space->page;
    unsigned file = file_of(region, first);
    size_t next = (first / chunk + 1) * chunk;

    while (next < end && file_of(region, next) == file)
        next += chunk;
    return next < end ? next : end;
}

/* Returns the first page of the range whose chunk is not frozen; end where there is none. */
static size_t next_shared(const struct region *region, size_t first, size_t end)
{
    while (first < end && file_of(region, first) != 0)
        first = file_end(region, first, end);
    return first;
}

bool region_has_pages(const struct region *region, const char *addr)
{
    size_t page = (size_t)(addr - region->base) / region->space->page;
    size_t end = page + SPACE_CHUNK / region->space->page;

    if (end > region->pages)
        end = region->pages;
    return page < end && page_bitmap_next_set(region->committed, page, end) < end;
}

/* -- Accounting -------------------------------------------------------------------------------- */

/* Adds to the bytes held, which are *total then. -ENOMEM where the limit does not allow that. */
static int charge(struct space *space, size_t bytes, size_t *total)
{
    size_t held = __atomic_load_n(&space->held, __ATOMIC_RELAXED);

    do {
        if (space->max_size != 0 && (held > space->max_size || bytes > space->max_size - held))
            return -ENOMEM;
    } while (!__atomic_compare_exchange_n(&space->held, &held, held + bytes, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    *total = held + bytes;
    return 0;
}

static void note_peak(struct space *space, size_t held)
{
    size_t peak = atomic_load_explicit(&space->peak, memory_order_relaxed);

    while (peak < held &&
           !atomic_compare_exchange_weak_explicit(&space->peak, &peak, held, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

static void uncharge(struct space *space, size_t bytes)
{
    __atomic_sub_fetch(&space->held, bytes, __ATOMIC_RELAXED);
}

/*
 * Makes the committed pages of [first, end), none of them used, stale: a release has failed, and
 * some may have their old contents.
 */
static void mark_stale(struct region *region, size_t first, size_t end)
{
    size_t before = page_bitmap_count(region->stale, first, end);
    size_t run = page_bitmap_next_set(region->committed, first, end);

    while (run < end) {
        size_t run_end = page_bitmap_next_clear(region->committed, run, end);

        page_bitmap_set(region->stale, run, run_end);
        run = page_bitmap_next_set(region->committed, run_end, end);
    }
    size_t added = page_bitmap_count(region->stale, first, end) - before;
    atomic_fetch_add_explicit(&region->space->stale, added * region->space->page,
                              memory_order_relaxed);
}

static void unmark_stale(struct region *region, size_t first, size_t end)
{
    size_t count = page_bitmap_count(region->stale, first, end);

    page_bitmap_clear(region->stale, first, end);
    atomic_fetch_sub_explicit(&region->space->stale, count * region->space->page,
                              memory_order_relaxed);
}

/* -- Calls of the store ------------------------------------------------------------------------ */

/* Pages whose chunks lie in the same file. */
static int commit_in_file(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    char *addr = region->base + first * space->page;
    off_t offset = region->offset + (off_t)(first * space->page);
    size_t size = (end - first) * space->page;
    unsigned file = file_of(region, first);

    return file == 0 ? space->store->commit(space, addr, offset, size)
                     : space->store->commit_frozen(space, file - 1, addr, offset, size);
}

static int commit_store(struct region *region, size_t first, size_t end)
{
    int err = 0;

    while (first < end && err == 0) {
        size_t next = file_end(region, first, end);

        err = commit_in_file(region, first, next);
        first = next;
    }
    return err;
}

/* Pages whose chunks are not frozen. */
static int release_store(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;

    if (atomic_load_explicit(&space->cannot_release, memory_order_relaxed))
        return -EOPNOTSUPP;
    int err = space->store->release(space, region->base + first * space->page,
                                    region->offset + (off_t)(first * space->page),
                                    (end - first) * space->page);
    if (err == 0)
        atomic_fetch_add_explicit(&space->purges, 1, memory_order_relaxed);
    if (err == -EOPNOTSUPP)
        atomic_store_explicit(&space->cannot_release, true, memory_order_relaxed);
    return err;
}

/* -- States ------------------------------------------------------------------------------------ */

/*
 * Releases the runs of empty pages in [first, end), whose memory may be there after a commit that
 * failed or took more than was requested.
 */
static void release_surplus(struct region *region, size_t first, size_t end)
{
    size_t run = page_bitmap_next_clear(region->committed, first, end);

    while (run < end) {
        size_t run_end = file_end(region, run, page_bitmap_next_set(region->committed, run, end));

        /* Where this fails, the next commit of these pages finds their memory in place. */
        if (file_of(region, run) == 0)
            release_store(region, run, run_end);
        run = page_bitmap_next_clear(region->committed, run_end, end);
    }
}

/* The same with the rest of the region's last chunk. */
static void release_tail(struct region *region)
{
    size_t chunk_pages = SPACE_CHUNK / region->space->page;

    if (region->pages % chunk_pages != 0 && file_of(region, region->pages) == 0)
        release_store(region, region->pages, (region->pages / chunk_pages + 1) * chunk_pages);
}

/* Makes the empty pages of [first, end) ahead, a run at a time: all of them or none. */
static int refill_locked(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    size_t missing = end - first - page_bitmap_count(region->committed, first, end);
    size_t run = page_bitmap_next_clear(region->committed, first, end);
    size_t held;
    int err = charge(space, missing * space->page, &held);

    if (err != 0)
        return err;
    /* Before the commit: a thread that meets the limit meanwhile knows that trimming may help. */
    atomic_fetch_add_explicit(&space->ahead, missing * space->page, memory_order_relaxed);
    while (run < end) {
        size_t run_end = page_bitmap_next_set(region->committed, run, end);

        err = commit_store(region, run, run_end);
        if (err != 0) {
            release_surplus(region, first, run_end);
            atomic_fetch_sub_explicit(&space->ahead, missing * space->page, memory_order_relaxed);
            uncharge(space, missing * space->page);
            return err;
        }
        run = page_bitmap_next_clear(region->committed, run_end, end);
    }
    page_bitmap_set(region->committed, first, end);
    note_peak(space, held);
    if (atomic_load_explicit(&space->whole_chunks, memory_order_relaxed)) {
        struct page_run chunks = widen(region, first, end, SPACE_CHUNK);

        release_surplus(region, chunks.first, chunks.end);
        if (chunks.end == region->pages)
            release_tail(region);
    }
    return 0;
}

/* Removes [first, end) from the committed pages; returns how many were committed. */
static size_t drop_pages(struct region *region, size_t first, size_t end)
{
    size_t count = page_bitmap_count(region->committed, first, end);

    page_bitmap_clear(region->committed, first, end);
    return count;
}

/*
 * The same for a released part of one chunk. If the chunk is a large page, the kernel has to split
 * the page, which fails while the page is busy: then the pages of the part stay, filled with
 * zeroes.
 */
static size_t drop_part(struct region *region, size_t first, size_t end)
{
    const struct space *space = region->space;
    unsigned char kept[SPACE_CHUNK_PAGES];
    size_t dropped = 0;

    if (space->store->kept == NULL ||
        !space->store->kept(space, region->offset + (off_t)(first * space->page),
                            (end - first) * space->page, kept))
        return drop_pages(region, first, end);
    for (size_t i = first; i < end; i++)
        if (kept[i - first] == 0)
            dropped += drop_pages(region, i, i + 1);
    return dropped;
}

/* The same for any range that was released. */
static size_t drop_released(struct region *region, size_t first, size_t end)
{
    size_t chunk = SPACE_CHUNK / region->space->page;
    size_t dropped = 0;

    if (first % chunk != 0) {
        size_t next = (first / chunk + 1) * chunk;

        if (next > end)
            next = end;
        dropped += drop_part(region, first, next);
        first = next;
    }
    size_t last = end / chunk * chunk;
    if (first < last) {
        dropped += drop_pages(region, first, last);
        first = last;
    }
    return first < end ? dropped + drop_part(region, first, end) : dropped;
}

/* Pages within one chunk that is frozen: all are, which lies in an ancestor's file. */
static bool may_thaw(const struct region *region, size_t first, size_t end)
{
    struct page_run chunk = widen(region, first, end, SPACE_CHUNK);

    return file_of(region, first) <= region->space->file_number && first == chunk.first &&
           end == chunk.end && page_bitmap_next_set(region->used, first, end) == end;
}

/*
 * The same. They stay in their file, which others read, and what this process has written goes. A
 * whole chunk can leave the file of an ancestor.
 */
static int empty_frozen_chunk(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    char *addr = region->base + first * space->page;

    if (may_thaw(region, first, end) && space->store->thaw_unused(space, addr) == 0) {
        unmark_stale(region, first, end);
        size_t bytes = drop_pages(region, first, end) * space->page;
        atomic_fetch_sub_explicit(&space->ahead, bytes, memory_order_relaxed);
        uncharge(space, bytes);
        return 0;
    }
    (void)vm_discard(addr, (end - first) * space->page);
    mark_stale(region, first, end);
    return -EBUSY;
}

static int empty_frozen(struct region *region, size_t first, size_t end)
{
    int result = 0;

    while (first < end) {
        size_t chunk_end = widen(region, first, first + 1, SPACE_CHUNK).end;
        size_t next = chunk_end < end ? chunk_end : end;
        int err = empty_frozen_chunk(region, first, next);

        if (err != 0)
            result = err;
        first = next;
    }
    return result;
}

static int empty_shared(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    int err = release_store(region, first, end);

    if (err != 0) {
        if (err != -EOPNOTSUPP)
            mark_stale(region, first, end);
        return err;
    }
    unmark_stale(region, first, end);
    size_t bytes = drop_released(region, first, end) * space->page;
    atomic_fetch_sub_explicit(&space->ahead, bytes, memory_order_relaxed);
    uncharge(space, bytes);
    return 0;
}

/*
 * Makes [first, end) empty: the committed pages among them are all ahead or stale, and those that
 * the store keeps stay ahead. Where it fails for now, as for frozen pages, they are stale.
 * -EOPNOTSUPP where the store never gives back: nothing has changed.
 */
static int empty_locked(struct region *region, size_t first, size_t end)
{
    bool is_mixed = file_end(region, first, end) != end;
    int result = 0;

    while (first < end) {
        size_t next = file_end(region, first, end);
        int err = file_of(region, first) != 0 ? empty_frozen(region, first, next)
                                              : empty_shared(region, first, next);

        if (err == -EOPNOTSUPP && is_mixed) {
            mark_stale(region, first, next);
            err = -EBUSY;
        }
        if (err != 0)
            result = err;
        first = next;
    }
    return result;
}

/*
 * Returns how much to commit at once. An arena begins with small steps, since many arenas stay
 * small; in a large region, a step has several chunks.
 */
static size_t usual_step(const struct region *region)
{
    const struct space *space = region->space;
    size_t step = space->first_step;

    if (space->chunk_steps || atomic_load_explicit(&space->whole_chunks, memory_order_relaxed))
        step = SPACE_CHUNK;
    /* An arena's first region has one chunk; later regions are larger. */
    size_t has = region->pages * space->page <= SPACE_CHUNK
                     ? page_bitmap_count(region->committed, 0, region->pages) * space->page
                     : space_held(space);
    while (step < SPACE_CHUNK && step < has)
        step *= 2;
    while (step >= SPACE_CHUNK && step < region->pages * space->page / REGION_STEPS)
        step *= 2;
    return step;
}

/* Commits more than [first, end): whole steps, or smallest steps where whole steps do not fit. */
static int refill_ahead_locked(struct region *region, size_t first, size_t end)
{
    size_t small = region->space->first_step;
    size_t step = usual_step(region);
    struct page_run range = widen(region, first, end, step);
    int err = refill_locked(region, range.first, range.end);

    if (err != 0 && step != small) {
        range = widen(region, first, end, small);
        err = refill_locked(region, range.first, range.end);
    }
    return err;
}

/* Makes a run of stale pages in one chunk ahead. The store may hold all of the run, or a part. */
static int clean_run(struct region *region, size_t first, size_t end)
{
    size_t page = region->space->page;
    int err = commit_store(region, first, end);

    if (err != 0)
        return err;
    memset(region->base + first * page, 0, (end - first) * page);
    unmark_stale(region, first, end);
    return 0;
}

/*
 * Makes the stale pages of [first, end) ahead. A chunk at a time: a store without room for a long
 * range rejects the range, although its pages may all be there.
 */
static int clean_locked(struct region *region, size_t first, size_t end)
{
    size_t run = page_bitmap_next_set(region->stale, first, end);
    int err = 0;

    while (run < end && err == 0) {
        size_t chunk_end = widen(region, run, run + 1, SPACE_CHUNK).end;
        size_t limit = chunk_end < end ? chunk_end : end;
        size_t run_end = page_bitmap_next_clear(region->stale, run, limit);

        err = clean_run(region, run, run_end);
        run = page_bitmap_next_set(region->stale, run_end, end);
    }
    return err;
}

static int commit_locked(struct region *region, size_t first, size_t end, bool ahead)
{
    INVARIANT(page_bitmap_next_set(region->used, first, end) == end);
    int err = clean_locked(region, first, end);
    if (err != 0)
        return err;
    err = -ENOMEM;
    if (page_bitmap_next_clear(region->committed, first, end) == end)
        err = 0;
    else if (file_of(region, first) != 0 || file_of(region, end - 1) != 0)
        err = -ENOMEM; /* what is committed ahead of a frozen page would be in DRAM */
    else if (ahead || atomic_load_explicit(&region->space->whole_chunks, memory_order_relaxed))
        err = refill_ahead_locked(region, first, end);
    if (err != 0)
        err = refill_locked(region, first, end);
    if (err != 0)
        return err;
    page_bitmap_set(region->used, first, end);
    atomic_fetch_sub_explicit(&region->space->ahead, (end - first) * region->space->page,
                              memory_order_relaxed);
    return 0;
}

int region_commit(struct region *region, size_t first, size_t end, bool ahead)
{
    lock_region(region);
    int err = commit_locked(region, first, end, ahead);
    unlock_region(region);
    return err;
}

/* Whether any page of the chunk that `page` lies in is used. */
static bool is_chunk_in_use(const struct region *region, size_t page)
{
    struct page_run chunk = widen(region, page, page + 1, SPACE_CHUNK);

    return page_bitmap_next_set(region->used, chunk.first, chunk.end) < chunk.end;
}

static int decommit_locked(struct region *region, size_t first, size_t end)
{
    struct page_run range = widen(region, first, end, SPACE_CHUNK);

    INVARIANT(page_bitmap_next_clear(region->used, first, end) == end);
    page_bitmap_clear(region->used, first, end);
    if (is_chunk_in_use(region, first))
        range.first = first;
    if (is_chunk_in_use(region, end - 1))
        range.end = end;
    atomic_fetch_add_explicit(&region->space->ahead, (end - first) * region->space->page,
                              memory_order_relaxed);
    int err = empty_locked(region, range.first, range.end);
    if (err != -EOPNOTSUPP)
        return err;
    page_bitmap_set(region->used, first, end);
    atomic_fetch_sub_explicit(&region->space->ahead, (end - first) * region->space->page,
                              memory_order_relaxed);
    return err;
}

/* The first stale page from `first` on whose chunk is not frozen. */
static size_t next_stale_shared(const struct region *region, size_t first)
{
    size_t page = page_bitmap_next_set(region->stale, first, region->pages);

    while (page < region->pages && file_of(region, page) != 0) {
        page = next_shared(region, page, region->pages);
        page = page_bitmap_next_set(region->stale, page, region->pages);
    }
    return page;
}

static void retry_locked(struct region *region)
{
    size_t run = next_stale_shared(region, 0);

    while (run < region->pages) {
        size_t run_end = page_bitmap_next_clear(region->stale, run, region->pages);

        run_end = file_end(region, run, run_end);
        if (empty_locked(region, run, run_end) != 0)
            return;
        run = next_stale_shared(region, run_end);
    }
}

void region_retry(struct region *region)
{
    lock_region(region);
    retry_locked(region);
    unlock_region(region);
}

int region_decommit(struct region *region, size_t first, size_t end)
{
    lock_region(region);
    int err = decommit_locked(region, first, end);
    unlock_region(region);
    return err;
}

/* The next run of pages that can be trimmed, at `*run`, committed and not used; its end. */
static size_t next_trim_run(const struct region *region, size_t *run)
{
    size_t pages = region->pages;
    size_t page = *run;

    for (;;) {
        page = page_bitmap_next_set(region->committed, page, pages);
        if (page >= pages)
            break;
        if (file_of(region, page) != 0)
            page = next_shared(region, page, pages);
        else if (page_bitmap_next_set(region->used, page, page + 1) == page)
            page = page_bitmap_next_clear(region->used, page, pages);
        else
            break;
    }
    *run = page;
    if (page >= pages)
        return pages;
    size_t end = page_bitmap_next_set(region->used, page, pages);
    return file_end(region, page, page_bitmap_next_clear(region->committed, page, end));
}

/* Thaws the chunks of which no page is used any more; returns how many bytes these had. */
static size_t thaw_unused(struct region *region)
{
    const struct space *space = region->space;
    size_t chunk = SPACE_CHUNK / space->page;
    size_t released = 0;

    if (atomic_load_explicit(&space->frozen, memory_order_relaxed) == 0)
        return 0;
    for (size_t first = 0; first < region->pages; first += chunk) {
        size_t end = first + chunk < region->pages ? first + chunk : region->pages;
        size_t bytes = page_bitmap_count(region->committed, first, end) * space->page;

        if (bytes != 0 && file_of(region, first) != 0 && may_thaw(region, first, end) &&
            empty_frozen_chunk(region, first, end) == 0)
            released += bytes;
    }
    return released;
}

static size_t trim_locked(struct region *region)
{
    size_t released = thaw_unused(region);
    size_t run = 0;
    size_t end = next_trim_run(region, &run);

    while (run < region->pages) {
        if (empty_locked(region, run, end) == 0)
            released += (end - run) * region->space->page;
        run = end;
        end = next_trim_run(region, &run);
    }
    return released;
}

size_t region_trim(struct region *region)
{
    lock_region(region);
    size_t released = trim_locked(region);
    unlock_region(region);
    return released;
}

void region_release_surplus_in(struct region *region, size_t first, size_t end)
{
    lock_region(region);
    release_surplus(region, first, end < region->pages ? end : region->pages);
    unlock_region(region);
}

void region_release_surplus(struct region *region)
{
    lock_region(region);
    release_surplus(region, 0, region->pages);
    release_tail(region);
    unlock_region(region);
}

int region_for_each_run(const struct region *region, bool ahead,
                        int (*call)(void *arg, char *addr, off_t offset, size_t size), void *arg)
{
    const uint64_t *pages = ahead ? region->committed : region->used;
    size_t run = page_bitmap_next_set(pages, 0, region->pages);
    int result = 0;

    while (run < region->pages && result == 0) {
        size_t run_end = page_bitmap_next_clear(pages, run, region->pages);
        size_t start = run * region->space->page;

        result = call(arg, region->base + start, region->offset + (off_t)start,
                      (run_end - run) * region->space->page);
        run = page_bitmap_next_set(pages, run_end, region->pages);
    }
    return result;
}

size_t region_chunks(struct region *region)
{
    size_t chunks = 0;

    lock_region(region);
    size_t page = page_bitmap_next_set(region->committed, 0, region->pages);
    while (page < region->pages) {
        chunks++;
        page = widen(region, page, page + 1, SPACE_CHUNK).end;
        page = page_bitmap_next_set(region->committed, page, region->pages);
    }
    unlock_region(region);
    return chunks;
}
