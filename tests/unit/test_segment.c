/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of segments: alignment, growth, who owns the addresses, and that a failure leaves nothing
 * mapped.
 */
/* WRAP: address_map_open */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "space/address_map.h"
#include "space/range_map.h"
#include "space/segment.h"
#include "space/space.h"
#include "support/fake_mmap.h"
#include "support/faults.h"
#include "support/no_mapping_cache.h"

#define GRANULE  ADDRESS_MAP_GRANULE
#define TIB      ((size_t)1 << 40)
#define OWNER    (ADDRESS_MAP_FIRST_OWNER + 3u)
#define SEGMENTS 8
#define RETRIES  100

static struct space space;
static struct fault map_fault;
static struct fault open_fault;
static void *map_addr; /* of the last call */
static size_t map_size;
static off_t map_offset;

int __real_address_map_open(const void *base, size_t size);
int __wrap_address_map_open(const void *base, size_t size);

int __wrap_address_map_open(const void *base, size_t size)
{
    return fault_hits(&open_fault) ? -open_fault.error : __real_address_map_open(base, size);
}

static int fake_map(struct space *of, void *addr, size_t size, off_t offset)
{
    assert_ptr_equal(of, &space);
    map_addr = addr;
    map_size = size;
    map_offset = offset;
    return fault_hits(&map_fault) ? -map_fault.error : 0;
}

static const struct store_ops fake_store = {.map = fake_map};

static int setup(void **state)
{
    (void)state;
    mmap_fault = map_fault = open_fault = (struct fault){0};
    mapped = largest = 0;
    assert_int_equal(space_init(&space, &fake_store, 0, OWNER), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_fini(&space);
    assert_int_equal(mapped, 0);
    return 0;
}

/* Returns whether the byte can be read, by a system call. */
static bool is_readable(const char *addr)
{
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    bool readable = write(pipe_fds[1], addr, 1) == 1;
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return readable;
}

static struct segment *segment(size_t size)
{
    int err = -1;
    struct segment *made = segment_new(&space, size, SPACE_CHUNK, &err);

    assert_non_null(made);
    assert_int_equal(err, 0);
    return made;
}

static void check_owner(const char *base, size_t size, unsigned owner)
{
    for (size_t at = 0; at < size; at += GRANULE)
        assert_int_equal(address_map_owner(base + at), owner);
    assert_int_equal(address_map_owner(base + size - 1), owner);
}

static void segment_is_whole_granules(void **state)
{
    const size_t sizes[] = {1, SPACE_CHUNK, GRANULE, GRANULE + 1, 5 * GRANULE - 1};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct segment *made;

        space.reserved = 0; /* no growth beyond what is needed */
        made = segment(sizes[i]);
        assert_int_equal((uintptr_t)made->base % GRANULE, 0);
        assert_int_equal(made->size, (sizes[i] + GRANULE - 1) / GRANULE * GRANULE);
        assert_int_equal(made->taken, 0);
        for (size_t chunk = 0; chunk < made->size >> SPACE_CHUNK_SHIFT; chunk++)
            assert_null(made->regions[chunk]);
        check_owner(made->base, made->size, OWNER);
        segment_unmap(&space, made);
        check_owner(made->base, made->size, ADDRESS_MAP_NONE);
    }
}

static void store_is_mapped_over_the_segment(void **state)
{
    off_t offset = 0;
    struct segment *made[SEGMENTS];

    (void)state;
    for (size_t i = 0; i < SEGMENTS; i++) {
        made[i] = segment(1);
        assert_ptr_equal(map_addr, made[i]->base);
        assert_int_equal(map_size, made[i]->size);
        assert_int_equal(map_offset, offset);
        assert_int_equal(made[i]->offset, offset);
        assert_int_equal((size_t)offset % SPACE_CHUNK, (uintptr_t)made[i]->base % SPACE_CHUNK);
        offset += (off_t)made[i]->size;
        assert_int_equal(space.offset, offset);
        assert_int_equal(space.reserved, offset);
    }
    for (size_t i = 0; i < SEGMENTS; i++)
        segment_unmap(&space, made[i]);
}

static void segments_double(void **state)
{
    struct segment *made[SEGMENTS];
    size_t before = 0;

    (void)state;
    for (size_t i = 0; i < SEGMENTS; i++) {
        made[i] = segment(1);
        assert_int_equal(made[i]->size, before == 0 ? GRANULE : before);
        before += made[i]->size;
    }
    for (size_t i = 0; i < SEGMENTS; i++)
        segment_unmap(&space, made[i]);
}

static void doubling_ends_at_a_tebibyte(void **state)
{
    struct segment *made;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* There may be no 2 TiB of contiguous addresses. */
#endif
    space.reserved = 3 * TIB;
    made = segment(1);
    assert_int_equal(made->size, TIB);
    segment_unmap(&space, made);
}

static void less_is_taken_where_addresses_are_short(void **state)
{
    struct segment *made;

    (void)state;
    space.reserved = 64 * GRANULE;
    largest = 15 * GRANULE;
    made = segment(1);
    assert_int_equal(made->size, 8 * GRANULE);
    segment_unmap(&space, made);
    /* But never less than is needed. */
    space.reserved = 64 * GRANULE;
    largest = 3 * GRANULE;
    made = segment(3 * GRANULE);
    assert_int_equal(made->size, 3 * GRANULE);
    segment_unmap(&space, made);
}

/* Expects the error `wanted`, and that nothing has changed. */
static void expect_none(size_t size, int wanted)
{
    size_t reserved = space.reserved;
    off_t offset = space.offset;
    int err = 0;

    assert_null(segment_new(&space, size, SPACE_CHUNK, &err));
    assert_int_equal(err, wanted);
    assert_int_equal(space.reserved, reserved);
    assert_int_equal(space.offset, offset);
}

static void no_addresses_is_enomem(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    expect_none(1, -ENOMEM);
    assert_int_equal(mapped, 0);
    fault_set(&mmap_fault, 0, 0);
    largest = SPACE_CHUNK;
    expect_none(SPACE_CHUNK + 1, -ENOMEM);
    assert_int_equal(mapped, 0);
    largest = 0;
    segment_unmap(&space, segment(1));
}

static void exact_reservation_is_the_last_resort(void **state)
{
    (void)state;
    largest = GRANULE;
    struct segment *made = segment(1);
    assert_false(made->is_small);
    assert_int_equal((uintptr_t)made->base % GRANULE, 0);
    assert_int_equal(made->size, GRANULE);
    segment_unmap(&space, made);
}

/* Without whole granules, segments consist of chunks, and grow with the space. */
static void few_addresses_make_small_segments(void **state)
{
    struct segment *made[SEGMENTS];
    size_t before = 0;

    (void)state;
    largest = GRANULE - 1;
    for (size_t i = 0; i < SEGMENTS; i++) {
        made[i] = segment(SPACE_CHUNK / 2);
        assert_true(made[i]->is_small);
        assert_int_equal((uintptr_t)made[i]->base % SPACE_CHUNK, 0);
        assert_int_equal(made[i]->size % SPACE_CHUNK, 0);
        assert_true(made[i]->size >= before);
        before = made[i]->size;
        assert_int_equal(address_map_owner(made[i]->base), ADDRESS_MAP_RANGES);
        assert_int_equal(range_map_owner(made[i]->base), OWNER);
        assert_int_equal(range_map_owner(made[i]->base + made[i]->size - 1), OWNER);
        assert_non_null(range_map_class_at(made[i]->base));
    }
    assert_true(before > SPACE_CHUNK);
    /* Once there are addresses again, whole granules, although the reserved size is no multiple. */
    assert_true(space.reserved % GRANULE != 0);
    space.reserved += GRANULE;
    largest = 0;
    struct segment *whole = segment(1);
    assert_false(whole->is_small);
    assert_int_equal(whole->size, GRANULE);
    check_owner(whole->base, whole->size, OWNER);
    segment_unmap(&space, whole);
    for (size_t i = 0; i < SEGMENTS; i++) {
        char *base = made[i]->base;

        segment_retire(made[i]);
        segment_unmap(&space, made[i]);
        assert_int_equal(range_map_owner(base), ADDRESS_MAP_NONE);
    }
}

static void impossible_size_is_enomem(void **state)
{
    (void)state;
    expect_none(SIZE_MAX, -ENOMEM);
    expect_none(SIZE_MAX - GRANULE + 1, -ENOMEM);
    expect_none(SIZE_MAX - 2 * GRANULE, -ENOMEM);
    expect_none((size_t)1 << ADDRESS_MAP_BITS, -ENOMEM);
    assert_int_equal(mapped, 0);
}

static void no_memory_for_the_record_is_enomem(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    mmap_fault.skip = 1; /* the reservation */
    expect_none(1, -ENOMEM);
    assert_int_equal(mapped, 0);
}

static void no_memory_for_the_address_map_is_enomem(void **state)
{
    (void)state;
    map_addr = NULL;
    fault_set(&open_fault, ENOMEM, 1);
    expect_none(1, -ENOMEM);
    assert_int_equal(mapped, 0);
    assert_null(map_addr);
    segment_unmap(&space, segment(1));
}

static void offset_that_overflows_is_efbig(void **state)
{
    (void)state;
    space.offset = INT64_MAX - (off_t)GRANULE + 1;
    expect_none(1, -EFBIG);
    assert_int_equal(mapped, 0);
    space.offset = 0;
}

static void store_that_cannot_be_mapped_leaves_nothing(void **state)
{
    (void)state;
    fault_set(&map_fault, ENODEV, 1);
    expect_none(1, -ENODEV);
    assert_non_null(map_addr);
    check_owner(map_addr, map_size, ADDRESS_MAP_NONE);
    /* At most the block of records that the next segment will use. */
    assert_true(mapped <= METADATA_BLOCK);
    segment_unmap(&space, segment(1));
}

static void failing_again_and_again_takes_no_more_memory(void **state)
{
    size_t once;

    (void)state;
    fault_set(&map_fault, EBADF, FAULT_ALWAYS);
    expect_none(1, -EBADF);
    once = mapped;
    for (int i = 0; i < RETRIES; i++)
        expect_none(1, -EBADF);
    assert_int_equal(mapped, once);
}

static void segment_is_opened_from_its_beginning(void **state)
{
    struct segment *made = segment(GRANULE);

    (void)state;
    atomic_store(&space.segments, made);
    assert_ptr_equal(segment_of(&space, made->base + GRANULE - 1), made);
    assert_null(segment_of(&space, made->base + GRANULE));
    assert_false(is_readable(made->base));
    assert_int_equal(segment_open(&space, made->base + SPACE_CHUNK, space.page), 0);
    assert_true(is_readable(made->base));
    assert_true(is_readable(made->base + SPACE_CHUNK + space.page - 1));
    assert_false(is_readable(made->base + SPACE_CHUNK + space.page));
    /* Open ranges stay open. */
    assert_int_equal(segment_open(&space, made->base, space.page), 0);
    assert_true(is_readable(made->base + SPACE_CHUNK));
    assert_int_equal(mprotect(made->base, GRANULE, PROT_NONE), 0);
    assert_int_equal(segment_reopen(made), 0);
    assert_true(is_readable(made->base + SPACE_CHUNK));
    assert_false(is_readable(made->base + SPACE_CHUNK + space.page));
}

static void abandoned_segment_leaves_nothing(void **state)
{
    struct segment *first = segment(GRANULE);
    struct segment *made = segment(64 * GRANULE);
    char *base = made->base;

    (void)state;
    first->next = NULL;
    made->next = first;
    atomic_store(&space.segments, made);
    segment_abandon(&space, made);
    assert_null(segment_of(&space, base));
    assert_int_equal(address_map_owner(base), ADDRESS_MAP_NONE);
    assert_int_equal(space.reserved, GRANULE);
    assert_int_equal(space.offset, GRANULE);
    /* The records stay mapped, without their written pages. */
    assert_true(mapped < 2 * GRANULE);
    assert_ptr_equal(segment_of(&space, first->base), first);
}

static void large_alignment_takes_no_more(void **state)
{
    int err;
    struct segment *made = segment_new(&space, 1, 64 * GRANULE, &err);

    (void)state;
    assert_non_null(made);
    made->next = NULL;
    atomic_store(&space.segments, made);
    assert_int_equal((uintptr_t)made->base % (64 * GRANULE), 0);
    assert_int_equal(made->size, GRANULE);
}

int main(void)
{
    /* The address map's tables are mapped once in a process. */
    if (address_map_open(NULL, 0) != 0)
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(segment_is_opened_from_its_beginning),
        TEST(abandoned_segment_leaves_nothing),
        TEST(large_alignment_takes_no_more),
        TEST(segment_is_whole_granules),
        TEST(store_is_mapped_over_the_segment),
        TEST(segments_double),
        TEST(doubling_ends_at_a_tebibyte),
        TEST(less_is_taken_where_addresses_are_short),
        TEST(exact_reservation_is_the_last_resort),
        TEST(few_addresses_make_small_segments),
        TEST(no_addresses_is_enomem),
        TEST(impossible_size_is_enomem),
        TEST(no_memory_for_the_record_is_enomem),
        TEST(no_memory_for_the_address_map_is_enomem),
        TEST(offset_that_overflows_is_efbig),
        TEST(store_that_cannot_be_mapped_leaves_nothing),
        TEST(failing_again_and_again_takes_no_more_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
