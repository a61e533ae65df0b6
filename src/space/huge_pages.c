/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces over private huge pages. */
#include "space/huge_pages.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "space/region.h"
#include "util/log.h"
#include "util/madvise.h"

int huge_pages_commit(struct space *space, void *addr, off_t offset, size_t size)
{
    char *first = (char *)addr - ((uintptr_t)addr & (SPACE_CHUNK - 1));
    char *end = (char *)addr + size;

    (void)space;
    (void)offset;
    end += -(uintptr_t)end & (SPACE_CHUNK - 1);
    /* Huge pages that are there already are passed over. */
    if (madvise(first, (size_t)(end - first), MADV_POPULATE_WRITE) == 0)
        return 0;
    if (errno == EINVAL)
        log_error("huge pages cannot be taken safely: this kernel has no MADV_POPULATE_WRITE");
    return -ENOMEM;
}

/* Where the region ends within its last chunk, nobody else has the rest of that. */
static bool ends_region(const struct space *space, const char *end)
{
    const struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);

    while (region != NULL && region->base + region->pages * space->page != end)
        region = region->next;
    return region != NULL;
}

/* Whether the huge page of an address is there. */
static bool is_there(char *addr)
{
    unsigned char there = 0;

    addr -= (uintptr_t)addr & (SPACE_CHUNK - 1);
    return mincore(addr, 1, &there) == 0 && (there & 1) != 0;
}

/* Sets to zero what is there: a commit that failed may have left the rest untouchable. */
static void clear(char *start, char *end)
{
    while (start < end) {
        char *next = start + SPACE_CHUNK - ((uintptr_t)start & (SPACE_CHUNK - 1));

        if (is_there(start))
            memset(start, 0, (size_t)((next < end ? next : end) - start));
        start = next;
    }
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
    if (first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED) != 0) {
        clear(start, end);
        return 0;
    }
    clear(start, first);
    if (last < end)
        clear(last, end);
    return 0;
}
