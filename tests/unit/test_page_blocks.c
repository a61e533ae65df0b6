/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of freed blocks of whole pages: their pages go back in time, and are there again when the
 * blocks are handed out.
 *
 * The store is anonymous memory that counts the calls that return pages.
 */
/* WRAP: malloc clock_gettime */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heap/jemalloc_block.h"
#include "heap/jemalloc_ctl.h"
#include "heap/metadata_hooks.h"
#include "heap/page_blocks.h"
#include "space/address_map.h"
#include "space/space.h"
#include "support/anonymous_extent.h"
#include "support/faults.h"

#define PAGE       PAGE_BLOCKS_PAGE
#define OWNER      (ADDRESS_MAP_FIRST_OWNER + 3u)
#define LIMIT      (4 * SPACE_CHUNK)
#define BLOCKS     64
#define SOME_ERRNO 1234
#define FILLER     0x5a
#define THREADS    4
#define ROUNDS     5000

static struct space space;
static struct page_blocks kept;
static char *region; /* all of its pages are used at first */
static unsigned page_class;
static atomic_uint releases; /* calls */
static struct fault release_fault;
static struct fault malloc_fault;

static long now; /* seconds */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

void *__wrap_malloc(size_t size)
{
    return malloc_fault.times != 0 && fault_hits(&malloc_fault) ? NULL : __real_malloc(size);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_MONOTONIC_COARSE)
        return __real_clock_gettime(clock, time);
    *time = (struct timespec){.tv_sec = now};
    return 0;
}

/* -- The store --------------------------------------------------------------------------------- */

static int store_map(struct space *of, void *addr, size_t size, off_t offset)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

    (void)of;
    (void)offset;
    return mmap(addr, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -errno : 0;
}

static int store_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)addr;
    (void)offset;
    (void)size;
    return 0;
}

static int store_release(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)offset;
    releases++;
    if (release_fault.times != 0 && fault_hits(&release_fault))
        return -release_fault.error;
    return madvise(addr, size, MADV_DONTNEED) == 0 ? 0 : -errno;
}

static const struct store_ops store = {
    .map = store_map,
    .commit = store_commit,
    .release = store_release,
};

/* -- Fixture ----------------------------------------------------------------------------------- */

static char *new_region(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(&space, size, PAGE, &addr), 0);
    assert_int_equal(space_commit(&space, addr, size), 0);
    return addr;
}

static int setup(void **state)
{
    (void)state;
    release_fault = malloc_fault = (struct fault){0};
    if (size_class_init() != 0 || space_init(&space, &store, LIMIT, OWNER) != 0)
        return -1;
    atomic_store(&space.exact, true);
    region = new_region(BLOCKS * PAGE);
    atomic_store(&space.exact, false);
    page_class = size_class_of(PAGE);
    releases = 0;
    now = 1000;
    return page_blocks_init(&kept, &space);
}

static int teardown(void **state)
{
    (void)state;
    page_blocks_destroy(&kept);
    space_fini(&space);
    return 0;
}

/* Puts the blocks of pages first, first + step, ... of the region, `count` of them. */
static void put(size_t first, size_t step, size_t count)
{
    void *blocks[BLOCKS];

    for (size_t i = 0; i < count; i++) {
        blocks[i] = region + (first + i * step) * PAGE;
        memset(blocks[i], FILLER, PAGE);
    }
    assert_true(page_blocks_put(&kept, page_class, blocks, count));
}

static void pass_time(long seconds)
{
    now += seconds;
    page_blocks_age(&kept);
}

static size_t held_pages(void)
{
    return space_held(&space) / PAGE;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void blocks_of_whole_pages_are_kept(void **state)
{
    struct page_blocks none;

    (void)state;
    assert_false(page_blocks_keep(&kept, 0));
    for (unsigned c = 1; c <= size_class_count; c++) {
        size_t size = size_class_size(c);
        bool is_kept = size == PAGE || size == 2 * PAGE || size == 3 * PAGE;

        assert_int_equal(page_blocks_keep(&kept, c), is_kept);
    }
    assert_int_equal(page_blocks_init(&none, NULL), 0);
    assert_false(page_blocks_keep(&none, page_class));
    page_blocks_destroy(&none);
    space.page = 2 * PAGE;
    assert_int_equal(page_blocks_init(&none, &space), 0);
    space.page = PAGE;
    assert_false(page_blocks_keep(&none, page_class));
    page_blocks_destroy(&none);
}

static void dirty_block_comes_back_as_it_was(void **state)
{
    void *block = NULL;

    (void)state;
    put(3, 1, 1);
    assert_int_equal(page_blocks_bytes(&kept), PAGE);
    assert_int_equal(page_blocks_take(&kept, size_class_of(2 * PAGE), &block, 1), 0);
    assert_int_equal(page_blocks_take(&kept, page_class, &block, 1), 1);
    assert_ptr_equal(block, region + 3 * PAGE);
    assert_int_equal(*(unsigned char *)block, FILLER);
    assert_int_equal(releases, 0);
    assert_int_equal(page_blocks_bytes(&kept), 0);
    assert_int_equal(page_blocks_take(&kept, page_class, &block, 1), 0);
}

static void exact_space_gets_each_page_back_at_once(void **state)
{
    void *block;

    (void)state;
    atomic_store(&space.exact, true);
    for (size_t i = 0; i < BLOCKS; i += 2) {
        put(i, 1, 1);
        assert_int_equal(held_pages(), BLOCKS - i / 2 - 1);
    }
    assert_int_equal(page_blocks_clean_bytes(&kept), BLOCKS / 2 * PAGE);
    for (size_t i = 0; i < BLOCKS; i += 2) {
        assert_int_equal(page_blocks_take(&kept, page_class, &block, 1), 1);
        assert_int_equal(held_pages(), BLOCKS / 2 + i / 2 + 1);
        assert_int_equal(*(unsigned char *)block, 0);
    }
    assert_int_equal(page_blocks_bytes(&kept), 0);
    assert_int_equal(page_blocks_clean_bytes(&kept), 0);
}

static void adjacent_blocks_go_back_together(void **state)
{
    (void)state;
    put(1, 2, BLOCKS / 2);
    put(0, 2, BLOCKS / 4);
    page_blocks_purge(&kept);
    /* The first half is one run, and each other block one of its own. */
    assert_int_equal(releases, 1 + BLOCKS / 4);
    assert_int_equal(held_pages(), BLOCKS / 4);
}

static void adjacent_regions_go_back_apart(void **state)
{
    char *next = new_region(SPACE_CHUNK);
    void *blocks[2];

    (void)state;
    /* A region of whole chunks ends where the next one begins. */
    char *after = new_region(SPACE_CHUNK);
    if (after != next + SPACE_CHUNK)
        skip();
    blocks[0] = after - PAGE;
    blocks[1] = after;
    assert_true(page_blocks_put(&kept, page_class, blocks, 2));
    size_t before = held_pages();
    page_blocks_purge(&kept);
    assert_int_equal(held_pages(), before - 2);
    assert_int_equal(releases, 2);
}

/* Takes and puts one block. */
static void use_one(void)
{
    void *block;

    assert_int_equal(page_blocks_take(&kept, page_class, &block, 1), 1);
    assert_true(page_blocks_put(&kept, page_class, &block, 1));
}

static void unused_blocks_become_clean_with_age(void **state)
{
    (void)state;
    put(0, 1, 4);
    for (unsigned i = 0; i < DECAY_SECONDS; i++) {
        use_one();
        pass_time(1);
        pass_time(0);
        assert_int_equal(page_blocks_clean_bytes(&kept), 0);
    }
    use_one();
    pass_time(1);
    assert_int_equal(page_blocks_clean_bytes(&kept), 3 * PAGE);
    assert_int_equal(page_blocks_bytes(&kept), 4 * PAGE);
    assert_int_equal(held_pages(), BLOCKS - 3);
    /* A single call after a long time is enough. */
    pass_time(1);
    pass_time(DECAY_SECONDS);
    assert_int_equal(page_blocks_clean_bytes(&kept), 4 * PAGE);
}

static void block_without_room_stays_clean(void **state)
{
    void *taken[2];

    (void)state;
    atomic_store(&space.exact, true);
    put(0, 1, 2);
    new_region(LIMIT - (BLOCKS - 1) * PAGE);
    errno = SOME_ERRNO;
    /* There is room for one of them. */
    assert_int_equal(page_blocks_take(&kept, page_class, taken, 2), 1);
    assert_int_equal(page_blocks_take(&kept, page_class, taken + 1, 1), 0);
    assert_int_equal(errno, SOME_ERRNO);
    assert_int_equal(page_blocks_bytes(&kept), PAGE);
    assert_true(page_blocks_put(&kept, page_class, taken, 1));
    assert_int_equal(page_blocks_take(&kept, page_class, taken, 1), 1);
    assert_int_equal(space_held(&space), LIMIT);
}

static void block_stays_dirty_where_the_store_releases_nothing(void **state)
{
    void *block = region + PAGE;

    (void)state;
    put(0, 1, 1);
    fault_set(&release_fault, EOPNOTSUPP, FAULT_ALWAYS);
    page_blocks_purge(&kept);
    assert_int_equal(page_blocks_clean_bytes(&kept), 0);
    assert_int_equal(held_pages(), BLOCKS);
    /* From now on, blocks are jemalloc's. */
    assert_false(page_blocks_put(&kept, page_class, &block, 1));
    assert_int_equal(page_blocks_take(&kept, page_class, &block, 1), 1);
    assert_ptr_equal(block, region);
    assert_int_equal(*(unsigned char *)block, FILLER);
}

static void page_that_the_store_keeps_for_now_reads_as_zero(void **state)
{
    void *block;

    (void)state;
    put(0, 1, 1);
    fault_set(&release_fault, EINTR, 1);
    page_blocks_purge(&kept);
    assert_int_equal(page_blocks_clean_bytes(&kept), PAGE);
    assert_int_equal(page_blocks_take(&kept, page_class, &block, 1), 1);
    assert_int_equal(*(unsigned char *)block, 0);
}

static void without_memory_blocks_are_refused_or_go_back_in_parts(void **state)
{
    void *block = region;

    (void)state;
    errno = SOME_ERRNO;
    fault_set(&malloc_fault, ENOMEM, 1);
    assert_false(page_blocks_put(&kept, page_class, &block, 1));
    assert_int_equal(page_blocks_bytes(&kept), 0);
    fault_set(&malloc_fault, 0, 0);
    put(0, 1, BLOCKS);
    errno = SOME_ERRNO;
    fault_set(&malloc_fault, ENOMEM, FAULT_ALWAYS);
    page_blocks_purge(&kept);
    assert_int_equal(errno, SOME_ERRNO);
    assert_true(malloc_fault.calls > 0);
    assert_int_equal(held_pages(), 0);
    assert_true(releases > 1);
}

static void child_of_a_fork_keeps_what_no_thread_was_moving(void **state)
{
    void *taken[4];

    (void)state;
    put(0, 1, 2);
    page_blocks_purge(&kept);
    put(2, 1, 1);
    /* Three that another thread had removed, to decommit them. */
    kept.stacks[0].total += 3;
    atomic_fetch_add(&kept.bytes, 3 * PAGE);
    page_blocks_adopt(&kept);
    assert_int_equal(page_blocks_bytes(&kept), 3 * PAGE);
    assert_int_equal(page_blocks_clean_bytes(&kept), 2 * PAGE);
    assert_int_equal(page_blocks_take(&kept, page_class, taken, 4), 1);
    assert_int_equal(page_blocks_take(&kept, page_class, taken + 1, 3), 2);
    assert_int_equal(page_blocks_bytes(&kept), 0);
    put(0, 1, 2);
    assert_int_equal(page_blocks_bytes(&kept), 2 * PAGE);
}

/* In a child that was forked while the lock was held. */
static bool has_forgotten(void)
{
    void *block = region;

    page_blocks_adopt(&kept);
    return page_blocks_bytes(&kept) == 0 && page_blocks_take(&kept, page_class, &block, 1) == 0 &&
           page_blocks_put(&kept, page_class, &block, 1) && page_blocks_bytes(&kept) == PAGE;
}

static void child_of_a_fork_forgets_stacks_in_the_middle_of_a_change(void **state)
{
    int status;

    (void)state;
    put(0, 1, 2);
    assert_int_equal(pthread_mutex_lock(&kept.lock), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(has_forgotten() ? 0 : 1);
    assert_int_equal(pthread_mutex_unlock(&kept.lock), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* -- jemalloc's slabs -------------------------------------------------------------------------- */

static void *slab_alloc(extent_hooks_t *hooks, void *addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)arena;
    if (addr != NULL)
        return NULL;
    *zero = true;
    *commit = true;
    return anonymous_extent(size, alignment);
}

static void slabs_have_the_configured_size(void **state)
{
    static extent_hooks_t hooks = {.alloc = slab_alloc};
    unsigned arena;

    (void)state;
    assert_int_equal(jemalloc_ctl_arena_create(&hooks, &metadata_hooks, &arena), 0);
    for (size_t size = PAGE; size <= PAGE_BLOCKS_LARGEST; size += PAGE) {
        void *block = jemalloc_block_alloc(arena, size, 0, false);
        struct jemalloc_use use;

        assert_non_null(block);
        assert_int_equal(jemalloc_ctl_use_of(block, &use), 0);
        assert_in_range(use.slab_size, 6 * PAGE, PAGE_BLOCKS_IN_SLAB * PAGE);
        assert_int_equal(use.slab_blocks, use.slab_size / size);
        assert_in_range(use.slab_blocks, 2, PAGE_BLOCKS_IN_SLAB);
    }
    jemalloc_ctl_arena_destroy(arena);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static atomic_int owner_of[BLOCKS]; /* number of the thread that has the block; 0: none */
static atomic_uint wrong;

static void *trade(void *arg)
{
    int number = *(int *)arg;

    for (int i = 0; i < ROUNDS; i++) {
        void *blocks[3];
        size_t count = page_blocks_take(&kept, page_class, blocks, 3);

        for (size_t j = 0; j < count; j++) {
            size_t at = (size_t)((char *)blocks[j] - region) / PAGE;

            wrong += atomic_exchange(&owner_of[at], number) != 0;
            *(int *)blocks[j] = number;
        }
        for (size_t j = 0; j < count; j++) {
            size_t at = (size_t)((char *)blocks[j] - region) / PAGE;

            wrong += *(int *)blocks[j] != number;
            wrong += atomic_exchange(&owner_of[at], 0) != number;
        }
        if (count != 0)
            wrong += !page_blocks_put(&kept, page_class, blocks, count);
        if (i % 16 == number)
            page_blocks_purge(&kept);
    }
    return NULL;
}

static void threads_lose_no_block(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];

    (void)state;
    put(0, 1, BLOCKS);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, trade, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(wrong, 0);
    assert_int_equal(page_blocks_bytes(&kept), BLOCKS * PAGE);
    page_blocks_purge(&kept);
    assert_int_equal(page_blocks_clean_bytes(&kept), BLOCKS * PAGE);
    assert_int_equal(space_held(&space) - space.ahead, 0);
}

int main(void)
{
    if (address_map_open(NULL, 0) != 0 || size_class_init() != 0)
        return 1;
    /* Where jemalloc's pages are larger, no blocks are kept. */
    if (jemalloc_ctl_page() != PAGE)
        return 0;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(blocks_of_whole_pages_are_kept),
        TEST(dirty_block_comes_back_as_it_was),
        TEST(exact_space_gets_each_page_back_at_once),
        TEST(adjacent_blocks_go_back_together),
        TEST(adjacent_regions_go_back_apart),
        TEST(unused_blocks_become_clean_with_age),
        TEST(block_without_room_stays_clean),
        TEST(block_stays_dirty_where_the_store_releases_nothing),
        TEST(page_that_the_store_keeps_for_now_reads_as_zero),
        TEST(without_memory_blocks_are_refused_or_go_back_in_parts),
        TEST(child_of_a_fork_keeps_what_no_thread_was_moving),
        TEST(child_of_a_fork_forgets_stacks_in_the_middle_of_a_change),
        TEST(slabs_have_the_configured_size),
        TEST(threads_lose_no_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
