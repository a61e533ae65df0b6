/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of heaps: blocks are as requested, they move, the memory policy and the counters are
 * obeyed, and a heap that cannot be created leaves nothing.
 */
/* WRAP: address_map_enter_mixed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#include "heap/heap.h"
#include "heap/heap_stats.h"
#include "heap/jemalloc_block.h"
#include "heap/jemalloc_ctl.h"
#include "space/address_map.h"
#include "space/space.h"
#include "support/faults.h"
#include "support/heap_fixture.h"

#define LIVES           200
#define ADDRESSES_SLACK (32 * MIB)

int __real_address_map_enter_mixed(const void *ptr);
int __wrap_address_map_enter_mixed(const void *ptr);

/* -- Blocks ------------------------------------------------------------------------------------ */

static void blocks_have_their_size_and_owner(void **state)
{
    const size_t sizes[] = {1, 7, 8, 100, 4 * KIB, 14 * KIB, 100 * KIB, MIB, 4 * MIB};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = must_alloc(sizes[i]);

        memset(block, FILLER, sizes[i]);
        assert_true(jemalloc_block_size(block) >= sizes[i]);
        assert_int_equal(address_map_owner(block), OWNER);
        heap_free(&heap, block);
    }
    assert_int_equal(purges, 0);
}

static void alignment_is_honoured(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= GIB; alignment *= 2)
        for (size_t size = 1; size <= 64 * KIB; size *= 16) {
            void *block = heap_alloc(&heap, size, alignment, false);

            assert_non_null(block);
            assert_int_equal((uintptr_t)block % alignment, 0);
            memset(block, FILLER, size);
            heap_free(&heap, block);
        }
}

static void zero_is_zero(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 4 * MIB; size *= 3)
        for (int i = 0; i < 3; i++) {
            unsigned char *block = heap_alloc(&heap, size, 0, true);

            assert_non_null(block);
            assert_true(is_filled(block, size, 0));
            memset(block, FILLER, size);
            heap_free(&heap, block);
        }
}

static void realloc_keeps_the_contents(void **state)
{
    unsigned char *block = must_alloc(100);

    (void)state;
    memset(block, FILLER, 100);
    for (size_t size = 200; size <= 4 * MIB; size *= 2) {
        errno = SOME_ERRNO;
        block = heap_realloc(&heap, block, size);
        assert_non_null(block);
        assert_int_equal(errno, SOME_ERRNO);
        assert_true(is_filled(block, size / 2, FILLER));
        memset(block, FILLER, size);
    }
    for (size_t size = MIB; size > 0; size /= 2) {
        block = heap_realloc(&heap, block, size);
        assert_non_null(block);
        assert_true(is_filled(block, size, FILLER));
    }
    heap_free(&heap, block);
}

static void realloc_that_fails_leaves_the_block(void **state)
{
    unsigned char *block = must_alloc(MIB);

    (void)state;
    memset(block, FILLER, MIB);
    errno = 0;
    assert_null(heap_realloc(&heap, block, LIMIT + 1));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(heap_realloc(&heap, block, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    void *most = must_alloc(LIMIT - 2 * MIB);
    errno = 0;
    assert_null(heap_realloc(&heap, block, 8 * MIB));
    assert_int_equal(errno, ENOMEM);
    assert_true(is_filled(block, MIB, FILLER));
    heap_free(&heap, most);
    block = heap_realloc(&heap, block, 8 * MIB);
    assert_non_null(block);
    assert_true(is_filled(block, MIB, FILLER));
    heap_free(&heap, block);
}

static void every_size_is_served_or_refused(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++)
        for (int more = -1; more <= 1; more++) {
            size_t size = ((size_t)1 << shift) + (size_t)more;
            void *block = size != 0 ? alloc(size) : NULL;

            assert_true(block == NULL || size <= LIMIT);
            assert_true(block != NULL || size == 0 || size > LIMIT / 2);
            if (block != NULL)
                heap_free(&heap, block);
        }
    must_not_alloc(SIZE_MAX);
    heap_free(&heap, must_alloc(1));
}

/* -- Moving ------------------------------------------------------------------------------------ */

/*
 * Allocates blocks and keeps one in `kept`, so that their slabs are nearly empty. Returns how many
 * stay, in blocks.
 */
static size_t fragment(size_t size, void **blocks, size_t count, size_t kept)
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        if (i % kept != 0) {
            heap_free(&heap, blocks[i]);
            continue;
        }
        memset(blocks[i], (int)(left % 100), size);
        blocks[left++] = blocks[i];
    }
    return left;
}

static size_t move_all(size_t size, void **blocks, size_t count)
{
    size_t moved = 0;

    for (size_t i = 0; i < count; i++) {
        errno = SOME_ERRNO;
        void *block = heap_move(&heap, blocks[i]);
        assert_int_equal(errno, SOME_ERRNO);
        if (block != NULL) {
            moved++;
            blocks[i] = block;
        }
        assert_true(is_filled(blocks[i], size, (unsigned char)(i % 100)));
        assert_int_equal(address_map_owner(blocks[i]), OWNER);
    }
    return moved;
}

static void moving_gathers_blocks(void **state)
{
    static void *blocks[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = must_alloc(512);
    size_t left = fragment(512, blocks, MANY, 7);
    release_record();
    size_t before = space_held(&space) - space.ahead;
    assert_true(move_all(512, blocks, left) > 0);
    release_record();
    assert_true(space_held(&space) - space.ahead < before / 2);
    while (left > 0)
        heap_free(&heap, blocks[--left]);
}

static void large_block_is_not_moved(void **state)
{
    void *block = must_alloc(MIB);

    (void)state;
    assert_null(heap_move(&heap, block));
    heap_free(&heap, block);
}

static void moving_ends_starvation(void **state)
{
    static void *blocks[LIMIT / 512 + 1];
    size_t count = fill(512, blocks, LIMIT / 512 + 1);

    (void)state;
    size_t left = fragment(512, blocks, count, 7);
    release_record();
    must_not_alloc(8 * MIB);
    assert_true(refused());
    assert_true(move_all(512, blocks, left) > 0);
    void *block = alloc(8 * MIB);
    assert_non_null(block);
    heap_free(&heap, block);
    while (left > 0)
        heap_free(&heap, blocks[--left]);
}

/* -- Policy and counters ----------------------------------------------------------------------- */

static void conservative_heap_releases_at_once(void **state)
{
    void *small;
    void *large;

    (void)state;
    assert_int_equal(heap_set_conservative(&heap, true), 0);
    large = must_alloc(MIB);
    assert_int_equal(space_held(&space), MIB);
    small = must_alloc(100);
    assert_true(space_held(&space) <= MIB + 64 * KIB);
    heap_free(&heap, large);
    assert_true(space_held(&space) <= 64 * KIB);
    heap_free(&heap, small);
    assert_int_equal(space_held(&space), 0);
    assert_int_equal(heap_set_conservative(&heap, false), 0);
    heap_free(&heap, must_alloc(MIB));
    assert_true(space_held(&space) > 0);
    arena_set_purge(&heap.arenas);
    assert_int_equal(space_held(&space), 0);
}

static void policy_that_cannot_be_set_is_an_error(void **state)
{
    (void)state;
    fault_set(&decay_fault, EFAULT, 1);
    assert_int_equal(heap_set_conservative(&heap, true), -EFAULT);
    assert_false(space.exact);
}

static void held_memory_is_never_released(void **state)
{
    void *block;

    (void)state;
    block = must_alloc(8 * MIB);
    heap_free(&heap, block);
    arena_set_purge(&heap.arenas);
    assert_true(space_held(&space) >= 8 * MIB);
    assert_int_equal(releases, 0);
    /* Retained memory is used again. */
    heap_free(&heap, must_alloc(8 * MIB));
    assert_true(space_held(&space) < 16 * MIB);
}

static void counters_count(void **state)
{
    struct jemalloc_stats stats;
    size_t size = 2 * MIB;
    void *other;
    void *block;

    (void)state;
    block = must_alloc(MIB);
    other = in_other_thread(alloc_in_other_arena, &size);
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    assert_int_equal(heap_stats_get(&heap, &stats), 0);
    assert_int_equal(stats.allocated, 3 * MIB);
    assert_int_equal(stats.active, 3 * MIB);
    assert_true(stats.resident >= stats.active);
    heap_free(&heap, block);
    heap_free(&heap, other);
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    assert_int_equal(heap_stats_get(&heap, &stats), 0);
    assert_int_equal(stats.allocated, 0);
    assert_int_equal(stats.active, 0);
    fault_set(&stats_fault, EFAULT, 1);
    assert_int_equal(heap_stats_get(&heap, &stats), -EFAULT);
    /* jemalloc's error for an arena that is younger than the counters. */
    fault_set(&stats_fault, ENOENT, 1);
    assert_int_equal(heap_stats_get(&heap, &stats), 0);
}

/* -- Life -------------------------------------------------------------------------------------- */

static void heap_that_cannot_be_made_leaves_nothing(void **state)
{
    unsigned mallocs = 0;

    (void)state;
    fault_set(&create_fault, EAGAIN, 1);
    assert_int_equal(heap_init(&heap, &space, NULL, SLOTS, false), -EAGAIN);
    fault_set(&decay_fault, EFAULT, 1);
    assert_int_equal(heap_init(&heap, &space, NULL, SLOTS, false), -EFAULT);
    assert_int_equal(arenas_alive, 0);
    /* Each call of malloc(3) fails in turn, until none is left. */
    for (;;) {
        fault_set(&malloc_fault, ENOMEM, 1);
        malloc_fault.skip = mallocs;
        int err = heap_init(&heap, &space, NULL, SLOTS, false);
        if (err == 0)
            break;
        assert_int_equal(err, -ENOMEM);
        assert_int_equal(arenas_alive, 0);
        mallocs++;
    }
    fault_set(&malloc_fault, 0, 0);
    assert_true(mallocs >= 2);
    heap_free(&heap, must_alloc(1));
    heap_destroy(&heap);
}

static size_t addresses(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%zu", &pages), 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Creates a heap with two arenas and some blocks in each, and destroys it. */
static void live(void)
{
    size_t size = 100;

    assert_int_equal(space_init(&space, &store, LIMIT, OWNER), 0);
    assert_int_equal(heap_init(&heap, &space, NULL, SLOTS, false), 0);
    must_alloc(MIB);
    must_alloc(100);
    arena_set_thread_number = 2;
    assert_non_null(alloc_in_other_arena(&size));
    arena_set_thread_number = 1;
    heap_destroy(&heap);
    space_fini(&space);
}

static void address_space_does_not_grow(void **state)
{
    (void)state;
    space_fini(&space);
    live();
    live();
    size_t before = addresses();
    counting = true;
    for (int i = 0; i < LIVES; i++)
        live();
    counting = false;
    assert_int_equal(mapped, 0);
    /* jemalloc's own tables of addresses are small, and kept. */
    assert_true(addresses() <= before + ADDRESSES_SLACK);
    assert_int_equal(space_init(&space, &store, LIMIT, OWNER), 0);
}

/* -- Memory from the caller's hooks ------------------------------------------------------------ */

static void *foreign_alloc(extent_hooks_t *hooks, void *addr, size_t size, size_t alignment,
                           bool *zero, bool *committed, unsigned arena)
{
    (void)hooks;
    (void)arena;
    if (addr != NULL)
        return NULL;
    size_t length = size + alignment;
    char *memory =
        __real_mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    *zero = true;
    *committed = true;
    return memory + (-(uintptr_t)memory & (alignment - 1));
}

static struct fault record_fault;

int __wrap_address_map_enter_mixed(const void *ptr)
{
    return fault_hits(&record_fault) ? -record_fault.error : __real_address_map_enter_mixed(ptr);
}

/*
 * Removes the mark of a block's granule, as if the block were the first one there, and frees the
 * block.
 */
static void forget_granule(void *block)
{
    char *base = (char *)block - ((uintptr_t)block & (ADDRESS_MAP_GRANULE - 1));

    heap_free(&heap, block);
    address_map_set(base, ADDRESS_MAP_GRANULE, ADDRESS_MAP_NONE);
}

static void heap_over_hooks_marks_its_addresses(void **state)
{
    static extent_hooks_t hooks = {.alloc = foreign_alloc};

    (void)state;
    assert_int_equal(heap_init(&heap, NULL, &hooks, 1, false), 0);
    void *block = must_alloc(MIB);
    assert_int_equal(address_map_owner(block), ADDRESS_MAP_MIXED);
    block = heap_realloc(&heap, block, 2 * MIB);
    assert_non_null(block);
    assert_int_equal(address_map_owner(block), ADDRESS_MAP_MIXED);
    assert_int_equal(heap_set_conservative(&heap, true), 0);
    heap_free(&heap, block);
    must_not_alloc(SIZE_MAX);
    fault_set(&record_fault, ENOMEM, FAULT_ALWAYS);
    while ((block = alloc(MIB)) != NULL)
        forget_granule(block);
    assert_true(record_fault.calls > 0);
    record_fault = (struct fault){0};
    heap_free(&heap, must_alloc(MIB));
    heap_destroy(&heap);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SPACE(name) cmocka_unit_test_setup_teardown(name, setup_space, teardown_space)
    const struct CMUnitTest tests[] = {
        TEST(blocks_have_their_size_and_owner),
        TEST(alignment_is_honoured),
        TEST(zero_is_zero),
        TEST(realloc_keeps_the_contents),
        TEST(realloc_that_fails_leaves_the_block),
        TEST(every_size_is_served_or_refused),
        TEST(moving_gathers_blocks),
        TEST(large_block_is_not_moved),
        TEST(moving_ends_starvation),
        TEST(conservative_heap_releases_at_once),
        TEST(policy_that_cannot_be_set_is_an_error),
        cmocka_unit_test_setup_teardown(held_memory_is_never_released, setup_hold, teardown),
        TEST(counters_count),
        SPACE(heap_that_cannot_be_made_leaves_nothing),
        SPACE(address_space_does_not_grow),
        SPACE(heap_over_hooks_marks_its_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
