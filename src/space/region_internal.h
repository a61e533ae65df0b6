/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the files region*.c share. Except for region_lock(), the caller holds the region's
 * lock. Ranges are [first, end) in pages of the region.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct region;
struct space;

struct page_run {
    size_t first;
    size_t end;
};

/* All changes of the bitmaps are between these two. Signals are off meanwhile. */
void region_lock(struct region *region);
void region_unlock(struct region *region);

/* Returns the range in whole steps of `size` bytes. The last step may end with the region. */
struct page_run region_widen(const struct region *region, size_t first, size_t end, size_t size);

/* Returns the number of the file that the page's chunk is frozen over; 0: not frozen. */
unsigned region_file_of(const struct region *region, size_t page);

/* Returns the end of the pages from `first` to `end` whose chunks lie in the same file. */
size_t region_file_end(const struct region *region, size_t first, size_t end);

/* Returns the first page of the range whose chunk is not frozen; end where there is none. */
size_t region_next_shared(const struct region *region, size_t first, size_t end);

/* Adds to the bytes held, which are *total then. -ENOMEM where the limit does not allow that. */
int region_charge(struct space *space, size_t bytes, size_t *total);

/* Records the most bytes that were ever held. */
void region_record_peak(struct space *space, size_t held);

/* Subtracts from the bytes held. */
void region_uncharge(struct space *space, size_t bytes);

/*
 * Makes the committed pages of [first, end), none of them used, stale: a release has failed, and
 * some may have their old contents.
 */
void region_mark_stale(struct region *region, size_t first, size_t end);

/* Makes the stale pages of [first, end) not stale. */
void region_unmark_stale(struct region *region, size_t first, size_t end);

/* Commits [first, end) in the store, or in the files that chunks are frozen over. 0 or -errno. */
int region_commit_store(struct region *region, size_t first, size_t end);

/* Releases [first, end), whose chunks are not frozen, in the store. 0 or -errno. */
int region_release_store(struct region *region, size_t first, size_t end);

/*
 * Releases the runs of empty pages in [first, end), whose memory may be there after a commit that
 * failed or took more than was requested.
 */
void region_release_empty(struct region *region, size_t first, size_t end);

/* The same with the rest of the region's last chunk. */
void region_release_tail(struct region *region);

/*
 * Whether [first, end), in one frozen chunk, is a whole chunk without used pages over an ancestor's
 * file.
 */
bool region_may_thaw(const struct region *region, size_t first, size_t end);

/*
 * Makes unused pages [first, end) of one frozen chunk stale, and drops what this process has
 * written there: -EBUSY. Where region_may_thaw() and the store agrees, the chunk leaves the file,
 * and its pages are empty: 0.
 */
int region_empty_frozen_chunk(struct region *region, size_t first, size_t end);

/*
 * Makes [first, end) empty: the committed pages among them are all ahead or stale, and those that
 * the store keeps stay ahead. Where the release fails, as for frozen pages, they are stale.
 * -EOPNOTSUPP where the store never releases: nothing has changed.
 */
int region_empty_locked(struct region *region, size_t first, size_t end);
