/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings that are unmapped later, a piece at a time. */
#include "os/late_unmap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "util/align.h"
#include "util/lock.h"
#include "util/signals_off.h"

#define RANGES_MOST 64

/* To map over a smaller mapping takes less time than to move its page tables. */
#define WORTH_MOVING ((size_t)8 << 20)

/* Bytes that one call unmaps, in about a millisecond. */
#define PIECE ((size_t)32 << 20)

/*
 * The kernel moves a whole page table by one entry of the level above if the old and the new
 * address are congruent modulo these sizes.
 */
#define TABLE       LARGE_PAGE
#define LARGE_TABLE ((size_t)1 << 30)

struct moved {
    char *addr;
    size_t size;
};

static struct moved ranges[RANGES_MOST];
static atomic_size_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the ranges */

/* -- Moving ------------------------------------------------------------------------------------ */

/* Reserves addresses that are congruent to `addr` modulo the unit. NULL: there are none. */
static char *reserve_like(const char *addr, size_t size, size_t unit)
{
    char *reserved =
        mmap(NULL, size + unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (reserved == MAP_FAILED)
        return NULL;
    size_t head = ((uintptr_t)addr - (uintptr_t)reserved) & (unit - 1);
    if (head != 0)
        munmap(reserved, head);
    if (head != unit)
        munmap(reserved + head + size, unit - head);
    return reserved + head;
}

/* Returns the new address. NULL: nothing was moved. */
static char *move(char *addr, size_t size)
{
    char *place = reserve_like(addr, size, size >= LARGE_TABLE ? LARGE_TABLE : TABLE);

    if (place == NULL)
        return NULL;
    if (mremap(addr, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, place) ==
            MAP_FAILED ||
        madvise(place, size, MADV_DONTFORK) != 0) {
        munmap(place, size);
        return NULL;
    }
    return place;
}

static void move_locked(char *addr, size_t size)
{
    size_t used = atomic_load(&count);
    char *moved = used < RANGES_MOST ? move(addr, size) : NULL;

    if (moved == NULL)
        return;
    ranges[used] = (struct moved){moved, size};
    atomic_store(&count, used + 1);
}

void late_unmap_move(void *addr, size_t size)
{
    int saved_errno = errno;

    if (size < WORTH_MOVING)
        return;
    lock_acquire(&lock, LOCK_LATE_UNMAP);
    move_locked(addr, size);
    lock_release(&lock);
    errno = saved_errno;
}

/* -- Unmapping --------------------------------------------------------------------------------- */

static void unmap_locked(size_t most)
{
    size_t used = atomic_load(&count);

    if (used == 0)
        return;
    struct moved *range = &ranges[used - 1];
    size_t size = range->size < most ? range->size : most;

    range->size -= size;
    munmap(range->addr + range->size, size);
    if (range->size == 0)
        atomic_store(&count, used - 1);
}

static void unmap(size_t most)
{
    int saved_errno = errno;

    signals_off();
    lock_acquire(&lock, LOCK_LATE_UNMAP);
    unmap_locked(most);
    lock_release(&lock);
    signals_on();
    errno = saved_errno;
}

void late_unmap_some(void)
{
    if (__builtin_expect(atomic_load_explicit(&count, memory_order_relaxed) != 0, 0))
        unmap(PIECE);
}

void late_unmap_all(void)
{
    while (atomic_load(&count) != 0)
        unmap(SIZE_MAX);
}

void late_unmap_after_fork(void)
{
    (void)lock_init(&lock);
    atomic_store(&count, 0);
}
