/* SPDX-License-Identifier: BSD-2-Clause */
/* Freed blocks of one, two or three whole pages. */
#include "heap/page_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_ctl.h"
#include "space/space.h"
#include "util/clock.h"
#include "util/invariant.h"
#include "util/lock.h"

#define FIRST_CAPACITY ((size_t)64)

/* Blocks in a batch to decommit where there is no memory for a larger array of addresses. */
#define SMALL_BATCH ((size_t)32)

static bool is_valid_locked(const struct page_stack *stack)
{
    return stack->clean <= stack->count && stack->count <= stack->total &&
           stack->total <= stack->capacity && stack->low <= stack->count - stack->clean;
}

int page_blocks_init(struct page_blocks *blocks, struct space *space)
{
    memset(blocks, 0, sizeof(*blocks));
    if (space != NULL && space->range == NULL && space->page == PAGE_BLOCKS_PAGE &&
        jemalloc_ctl_page() == PAGE_BLOCKS_PAGE && space_longest(space) == SIZE_MAX)
        blocks->space = space;
    int err = lock_init(&blocks->lock);
    if (err != 0)
        return err;
    err = lock_init(&blocks->slab_lock);
    if (err != 0)
        lock_destroy(&blocks->lock);
    return err;
}

void page_blocks_destroy(struct page_blocks *blocks)
{
    for (size_t i = 0; i < PAGE_BLOCKS_CLASSES; i++)
        free(blocks->stacks[i].blocks);
    lock_destroy(&blocks->slab_lock);
    lock_destroy(&blocks->lock);
}

static struct page_stack *stack_of(struct page_blocks *blocks, unsigned size_class)
{
    return &blocks->stacks[size_class_size(size_class) / PAGE_BLOCKS_PAGE - 1];
}

static size_t block_size(const struct page_blocks *blocks, const struct page_stack *stack)
{
    return (size_t)(stack - blocks->stacks + 1) * PAGE_BLOCKS_PAGE;
}

/* -- The child of a fork ----------------------------------------------------------------------- */

static void forget(struct page_blocks *blocks)
{
    for (size_t i = 0; i < PAGE_BLOCKS_CLASSES; i++) {
        struct page_stack *stack = &blocks->stacks[i];

        /* Never an array that another thread was freeing: see make_room_locked(). */
        free(stack->blocks);
        *stack = (struct page_stack){0};
    }
}

/* Counts the blocks of the stacks alone: those that another thread was moving are in none. */
static void count_again(struct page_blocks *blocks)
{
    size_t bytes = 0;
    size_t clean_bytes = 0;

    for (size_t i = 0; i < PAGE_BLOCKS_CLASSES; i++) {
        struct page_stack *stack = &blocks->stacks[i];

        stack->total = stack->count;
        bytes += stack->count * block_size(blocks, stack);
        clean_bytes += stack->clean * block_size(blocks, stack);
    }
    atomic_store(&blocks->bytes, bytes);
    atomic_store(&blocks->clean_bytes, clean_bytes);
}

void page_blocks_adopt(struct page_blocks *blocks)
{
    if (lock_try_acquire(&blocks->lock, LOCK_PAGE_BLOCKS))
        lock_release(&blocks->lock);
    else
        forget(blocks);
    (void)lock_init(&blocks->lock);
    (void)lock_init(&blocks->slab_lock);
    count_again(blocks);
}

/* -- The stack --------------------------------------------------------------------------------- */

static bool make_room_locked(struct page_stack *stack, size_t count)
{
    size_t capacity = stack->capacity != 0 ? stack->capacity : FIRST_CAPACITY;

    while (capacity < stack->total + count)
        capacity *= 2;
    if (capacity == stack->capacity)
        return true;
    void **larger = malloc(capacity * sizeof(*larger));
    if (larger == NULL)
        return false;
    if (stack->count != 0)
        memcpy(larger, stack->blocks, stack->count * sizeof(*larger));
    /* The child of a fork may free stack->blocks: it is never an array that was freed here. */
    void **smaller = stack->blocks;
    stack->blocks = larger;
    stack->capacity = capacity;
    free(smaller);
    return true;
}

/*
 * Inserts blocks that `total` already counts: as clean ones if `clean`, else as the oldest dirty.
 */
static void insert_locked(struct page_stack *stack, void *const *from, size_t count, bool clean)
{
    void **to = stack->blocks + stack->clean;

    memmove(to + count, to, (stack->count - stack->clean) * sizeof(*to));
    memcpy(to, from, count * sizeof(*to));
    stack->count += count;
    if (clean)
        stack->clean += count;
    INVARIANT(is_valid_locked(stack));
}

static void record_low_locked(struct page_stack *stack)
{
    if (stack->low > stack->count - stack->clean)
        stack->low = stack->count - stack->clean;
}

/* -- Decommit ---------------------------------------------------------------------------------- */

static int compare_addresses(const void *one, const void *other)
{
    void *const *a = one;
    void *const *b = other;

    return (*a > *b) - (*a < *b);
}

/* Returns how many of `count` sorted blocks, from the first on, are adjacent and in one region. */
static size_t run_length(const struct space *space, void *const *sorted, size_t count, size_t size)
{
    size_t length = 1;

    while (length < count && sorted[length] == (char *)sorted[length - 1] + size &&
           !space_is_region_start(space, sorted[length]))
        length++;
    return length;
}

/*
 * Sorts the blocks by address, and decommits them. Returns the number of decommitted blocks, which
 * come first. Runs inside the gate, as jemalloc's hooks do: no page changes its state in a fork.
 */
static size_t decommit(struct space *space, void **dirty, size_t count, size_t size)
{
    size_t done = 0;

    qsort(dirty, count, sizeof(*dirty), compare_addresses);
    struct fork_gate_thread *self = fork_gate_enter();
    while (done < count) {
        size_t length = run_length(space, dirty + done, count - done, size);

        if (space_decommit(space, dirty[done], length * size) != 0)
            break;
        done += length;
    }
    fork_gate_leave(self);
    return done;
}

static void put_back(struct page_blocks *blocks, struct page_stack *stack, void *const *from,
                     size_t count, size_t clean)
{
    lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
    insert_locked(stack, from + clean, count - clean, false);
    insert_locked(stack, from, clean, true);
    atomic_fetch_add(&blocks->clean_bytes, clean * block_size(blocks, stack));
    lock_release(&blocks->lock);
}

/* Removes up to `count` of the oldest dirty blocks. */
static size_t remove_oldest(struct page_blocks *blocks, struct page_stack *stack, void **to,
                            size_t count)
{
    lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
    size_t dirty = stack->count - stack->clean;
    if (count > dirty)
        count = dirty;
    void **oldest = stack->blocks + stack->clean;
    if (count != 0) {
        memcpy(to, oldest, count * sizeof(*to));
        memmove(oldest, oldest + count, (dirty - count) * sizeof(*to));
        stack->count -= count;
        record_low_locked(stack);
    }
    lock_release(&blocks->lock);
    return count;
}

/*
 * Decommits up to `count` of the oldest dirty blocks, listed in the array meanwhile. Returns how
 * many were decommitted.
 */
static size_t clean_batch(struct page_blocks *blocks, struct page_stack *stack, void **array,
                          size_t count)
{
    count = remove_oldest(blocks, stack, array, count);
    if (count == 0)
        return 0;
    size_t clean = decommit(blocks->space, array, count, block_size(blocks, stack));
    put_back(blocks, stack, array, count, clean);
    return clean;
}

/* Decommits up to `count` of the oldest dirty blocks. */
static void clean_oldest(struct page_blocks *blocks, struct page_stack *stack, size_t count)
{
    int saved_errno = errno;
    void *few[SMALL_BATCH];
    void **many = count > SMALL_BATCH ? malloc(count * sizeof(*many)) : NULL;
    void **array = many != NULL ? many : few;
    size_t at_once = many != NULL || count < SMALL_BATCH ? count : SMALL_BATCH;
    size_t done;

    for (; count != 0; count -= done) {
        done = clean_batch(blocks, stack, array, count < at_once ? count : at_once);
        if (done == 0)
            break;
    }
    free(many);
    errno = saved_errno;
}

/* -- Blocks in and out ------------------------------------------------------------------------- */

static bool push(struct page_blocks *blocks, struct page_stack *stack, void *const *freed,
                 size_t count)
{
    lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
    bool has_room = make_room_locked(stack, count);
    if (has_room) {
        memcpy(stack->blocks + stack->count, freed, count * sizeof(*freed));
        stack->count += count;
        stack->total += count;
        atomic_fetch_add(&blocks->bytes, count * block_size(blocks, stack));
        INVARIANT(is_valid_locked(stack));
    }
    lock_release(&blocks->lock);
    return has_room;
}

bool page_blocks_put(struct page_blocks *blocks, unsigned size_class, void *const *freed,
                     size_t count)
{
    struct space *space = blocks->space;
    struct page_stack *stack = stack_of(blocks, size_class);

    if (atomic_load_explicit(&space->cannot_release, memory_order_relaxed) ||
        !push(blocks, stack, freed, count))
        return false;
    if (atomic_load_explicit(&space->exact, memory_order_relaxed))
        clean_oldest(blocks, stack, count);
    return true;
}

/* Removes dirty blocks, or, if there is none, clean ones; then *clean is true. */
static size_t pop(struct page_blocks *blocks, struct page_stack *stack, void **taken, size_t wanted,
                  bool *clean)
{
    lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
    size_t dirty = stack->count - stack->clean;
    *clean = dirty == 0;
    size_t count = *clean ? stack->count : dirty;
    if (count > wanted)
        count = wanted;
    stack->count -= count;
    if (*clean) {
        stack->clean -= count;
    } else {
        stack->total -= count;
        atomic_fetch_sub(&blocks->bytes, count * block_size(blocks, stack));
    }
    if (count != 0)
        memcpy(taken, stack->blocks + stack->count, count * sizeof(*taken));
    record_low_locked(stack);
    lock_release(&blocks->lock);
    return count;
}

/*
 * Commits clean blocks, and puts back those for which there is no file space. Returns the number of
 * committed blocks, which come first.
 */
static size_t commit(struct page_blocks *blocks, struct page_stack *stack, void **taken,
                     size_t count)
{
    size_t size = block_size(blocks, stack);
    size_t done = 0;

    struct fork_gate_thread *self = fork_gate_enter();
    while (done < count && space_commit(blocks->space, taken[done], size) == 0)
        done++;
    fork_gate_leave(self);
    lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
    stack->total -= done;
    insert_locked(stack, taken + done, count - done, true);
    atomic_fetch_sub(&blocks->bytes, done * size);
    atomic_fetch_sub(&blocks->clean_bytes, done * size);
    lock_release(&blocks->lock);
    return done;
}

size_t page_blocks_take(struct page_blocks *blocks, unsigned size_class, void **taken,
                        size_t wanted)
{
    struct page_stack *stack = stack_of(blocks, size_class);
    bool clean;

    if (page_blocks_bytes(blocks) == 0)
        return 0;
    size_t count = pop(blocks, stack, taken, wanted, &clean);
    if (clean && count != 0) {
        int saved_errno = errno;

        count = commit(blocks, stack, taken, count);
        errno = saved_errno;
    }
    return count;
}

/* -- Time -------------------------------------------------------------------------------------- */

/* Returns the number of blocks that have been dirty during all seconds that `lows` covers. */
static size_t age_locked(struct page_stack *stack, unsigned second, unsigned seconds)
{
    size_t unused = stack->low;

    for (unsigned i = 0; i < seconds; i++)
        stack->lows[(second + i) % DECAY_SECONDS] = stack->low;
    for (unsigned i = 0; i < DECAY_SECONDS; i++)
        if (stack->lows[i] < unused)
            unused = stack->lows[i];
    /* The caller decommits these blocks. */
    for (unsigned i = 0; i < DECAY_SECONDS; i++)
        stack->lows[i] -= unused;
    stack->low = stack->count - stack->clean;
    return unused;
}

/* Returns the seconds since the last call, at most DECAY_SECONDS. */
static unsigned seconds_passed_locked(struct page_blocks *blocks)
{
    int64_t now = clock_coarse_seconds();
    int64_t seconds = now - blocks->aged_at;

    blocks->aged_at = now;
    return seconds < (int64_t)DECAY_SECONDS ? (unsigned)seconds : DECAY_SECONDS;
}

void page_blocks_age(struct page_blocks *blocks)
{
    size_t unused[PAGE_BLOCKS_CLASSES] = {0};

    if (page_blocks_bytes(blocks) == page_blocks_clean_bytes(blocks))
        return;
    lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
    unsigned seconds = seconds_passed_locked(blocks);
    for (size_t i = 0; seconds != 0 && i < PAGE_BLOCKS_CLASSES; i++)
        unused[i] = age_locked(&blocks->stacks[i], blocks->second, seconds);
    blocks->second = (blocks->second + seconds) % DECAY_SECONDS;
    lock_release(&blocks->lock);
    for (size_t i = 0; i < PAGE_BLOCKS_CLASSES; i++)
        if (unused[i] != 0)
            clean_oldest(blocks, &blocks->stacks[i], unused[i]);
}

void page_blocks_purge(struct page_blocks *blocks)
{
    for (size_t i = 0; i < PAGE_BLOCKS_CLASSES; i++) {
        lock_acquire(&blocks->lock, LOCK_PAGE_BLOCKS);
        size_t dirty = blocks->stacks[i].count - blocks->stacks[i].clean;
        lock_release(&blocks->lock);
        if (dirty != 0)
            clean_oldest(blocks, &blocks->stacks[i], dirty);
    }
}
