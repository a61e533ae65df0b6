/* SPDX-License-Identifier: BSD-2-Clause */
/* The hooks by which jemalloc's arenas get memory from a space. */
#include "heap/extent_hooks.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "space/space.h"
#include "util/invariant.h"
#include "util/lock.h"

static struct extent_hooks *hooks_of(extent_hooks_t *table)
{
    return (struct extent_hooks *)((char *)table - offsetof(struct extent_hooks, table));
}

/*
 * What failed in this thread's current request. jemalloc tries three steps, and goes on to the next
 * one after any failure:
 *
 *    1. a part of a region that the arena has: commit
 *    2. a new region that is larger than the block: alloc with *commit false, then commit of a part
 *    3. a new region of the size of the block: alloc with *commit true
 *
 * Where there is no store, a new region does not help, and would use up addresses at each attempt.
 * Where there are no addresses for a large region, there may be some for a smaller one.
 */
static _Thread_local enum { NOTHING_FAILED, NO_STORE, NO_ADDRESSES } last_failure;

/* The block that this thread requests. */
static _Thread_local struct {
    size_t size;
    bool is_huge; /* by size or alignment */
} wanted;

/*
 * A block larger than regions grow, or of large alignment, gets the third step only: the hook takes
 * the region and its store together or not at all, and jemalloc keeps nothing after a failure.
 */
#define HUGE_SIZE      ((size_t)1 << 30)
#define HUGE_ALIGNMENT ((size_t)64 << 20)

void extent_hooks_begin(size_t size, size_t alignment)
{
    last_failure = NOTHING_FAILED;
    wanted.size = size;
    wanted.is_huge = size > HUGE_SIZE || alignment > HUGE_ALIGNMENT;
}

/* Smaller blocks lie in regions that grow, whatever gaps these leave. */
#define ROW_LEAST ((size_t)256 << 10)

/* Whether a region of this size wastes addresses of a file that must not become long. */
static bool is_wasteful(const struct space *space, size_t size)
{
    return wanted.size >= ROW_LEAST && (wanted.size > SPACE_CHUNK || size % SPACE_CHUNK != 0) &&
           space_longest(space) != SIZE_MAX;
}

/* Whether a new region may help; records why not. */
static bool try_alloc(const struct space *space, size_t size, bool exact)
{
    if (last_failure == NO_STORE)
        return false;
    if (!space_has_room(space, wanted.size)) {
        last_failure = NO_STORE;
        return false;
    }
    if (!exact && (wanted.is_huge || is_wasteful(space, size)))
        last_failure = NO_ADDRESSES;
    return exact == (last_failure == NO_ADDRESSES);
}

/* A new region, committed if `commit`; NULL. */
static void *new_region(struct space *space, size_t size, size_t alignment, bool commit)
{
    void *addr;

    if (space_reserve(space, size, alignment, &addr) != 0) {
        last_failure = NO_ADDRESSES;
        return NULL;
    }
    if (commit && space_commit(space, addr, size) != 0) {
        last_failure = NO_STORE;
        space_return(space, addr);
        return NULL;
    }
    return addr;
}

/* The smallest number of places of this size that fill whole chunks. */
static size_t count_in_row(size_t size)
{
    size_t count = 1;

    while (count * size % SPACE_CHUNK != 0)
        count *= 2;
    return count;
}

/* Begins a row, as long as the file has addresses for, and commits its first place; NULL. */
static void *begin_row(struct space *space, struct region_row *row, size_t size, unsigned arena)
{
    size_t count = count_in_row(size);
    void *addr = NULL;

    while (count > 1 && space_reserve(space, count * size, SPACE_CHUNK, &addr) != 0)
        count--;
    if (count == 1)
        return NULL;
    if (space_commit(space, addr, size) != 0) {
        last_failure = NO_STORE;
        space_return(space, addr);
        return NULL;
    }
    row->arena = arena;
    row->size = size;
    row->next = (char *)addr + size;
    row->count = count - 1;
    return addr;
}

static void *continue_row(struct space *space, struct region_row *row)
{
    void *addr = row->next;

    if (space_commit(space, addr, row->size) != 0) {
        last_failure = NO_STORE;
        return NULL;
    }
    row->next += row->size;
    row->count--;
    return addr;
}

/* The arena's row with places of this size, or a row with no place left; NULL. */
static struct region_row *find_row(struct extent_hooks *hooks, size_t size, unsigned arena)
{
    struct region_row *finished = NULL;

    for (size_t i = 0; i < REGION_ROWS; i++) {
        struct region_row *row = &hooks->rows[i];

        if (row->count == 0)
            finished = row;
        else if (row->arena == arena && row->size == size)
            return row;
    }
    return finished;
}

static void *place_in_row_locked(struct extent_hooks *hooks, size_t size, unsigned arena)
{
    struct region_row *row = find_row(hooks, size, arena);

    if (row == NULL)
        return NULL;
    return row->count == 0 ? begin_row(hooks->space, row, size, arena)
                           : continue_row(hooks->space, row);
}

/* A committed place in a row of the arena; NULL where there is none and no row can begin. */
static void *place_in_row(struct extent_hooks *hooks, size_t size, unsigned arena)
{
    lock_acquire(&hooks->lock, LOCK_REGION_ROWS);
    void *addr = place_in_row_locked(hooks, size, arena);
    lock_release(&hooks->lock);
    return addr;
}

/* A committed place in a row, or a committed region of the size of the block; NULL. */
static void *exact_region(struct extent_hooks *hooks, size_t size, size_t alignment, unsigned arena)
{
    void *addr = NULL;

    if (alignment <= hooks->space->page && size % SPACE_CHUNK != 0 &&
        is_wasteful(hooks->space, size))
        addr = place_in_row(hooks, size, arena);
    if (addr == NULL && last_failure != NO_STORE)
        addr = new_region(hooks->space, size, alignment, true);
    return addr;
}

static void *alloc_hook(extent_hooks_t *table, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    struct extent_hooks *hooks = hooks_of(table);
    struct space *space = hooks->space;
    void *addr = NULL;
    int saved_errno = errno;

    if (new_addr == NULL && try_alloc(space, size, *commit))
        addr = *commit ? exact_region(hooks, size, alignment, arena)
                       : new_region(space, size, alignment, false);
    INVARIANT(addr == NULL || (uintptr_t)addr % alignment == 0);
    INVARIANT(addr == NULL || space_contains(space, addr));
    if (addr != NULL)
        *zero = true;
    errno = saved_errno;
    return addr;
}

static bool commit_hook(extent_hooks_t *table, void *addr, size_t size, size_t offset,
                        size_t length, unsigned arena)
{
    int saved_errno = errno;
    INVARIANT(length <= size && offset <= size - length);
    int err = space_commit(hooks_of(table)->space, (char *)addr + offset, length);

    (void)size;
    (void)arena;
    if (err != 0)
        last_failure = NO_STORE;
    errno = saved_errno;
    return err != 0;
}

static bool decommit_hook(extent_hooks_t *table, void *addr, size_t size, size_t offset,
                          size_t length, unsigned arena)
{
    struct extent_hooks *hooks = hooks_of(table);
    int saved_errno = errno;

    (void)size;
    (void)arena;
    INVARIANT(length <= size && offset <= size - length);
    if (hooks->hold)
        return true;
    int err = space_decommit(hooks->space, (char *)addr + offset, length);
    errno = saved_errno;
    return err != 0;
}

bool extent_hooks_split(extent_hooks_t *table, void *addr, size_t size, size_t size_a,
                        size_t size_b, bool committed, unsigned arena)
{
    (void)table;
    (void)addr;
    (void)size;
    (void)size_a;
    (void)size_b;
    (void)committed;
    (void)arena;
    return false;
}

bool extent_hooks_merge(extent_hooks_t *table, void *addr_a, size_t size_a, void *addr_b,
                        size_t size_b, bool committed, unsigned arena)
{
    (void)table;
    (void)addr_a;
    (void)size_a;
    (void)addr_b;
    (void)size_b;
    (void)committed;
    (void)arena;
    return false;
}

static bool merge_hook(extent_hooks_t *table, void *addr_a, size_t size_a, void *addr_b,
                       size_t size_b, bool committed, unsigned arena)
{
    (void)addr_a;
    (void)size_a;
    (void)size_b;
    (void)committed;
    (void)arena;
    return space_is_region_start(hooks_of(table)->space, addr_b);
}

int extent_hooks_init(struct extent_hooks *hooks, struct space *space, bool hold)
{
    /* Without a dalloc hook, jemalloc saves two passes over its map. */
    hooks->table = (extent_hooks_t){
        .alloc = alloc_hook,
        .commit = commit_hook,
        .decommit = decommit_hook,
        .split = extent_hooks_split,
        .merge = merge_hook,
    };
    hooks->space = space;
    hooks->hold = hold;
    for (size_t i = 0; i < REGION_ROWS; i++)
        hooks->rows[i].count = 0;
    return lock_init(&hooks->lock);
}

void extent_hooks_fini(struct extent_hooks *hooks)
{
    lock_destroy(&hooks->lock);
}

void extent_hooks_adopt(struct extent_hooks *hooks)
{
    (void)lock_init(&hooks->lock);
}
