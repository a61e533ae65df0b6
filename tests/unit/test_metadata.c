/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of metadata: pieces are zeroed, aligned and disjoint; all of the memory is released; a
 * failure is no crash.
 */
/* WRAP: mmap munmap malloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "space/metadata.h"
#include "support/faults.h"
#include "support/no_mapping_cache.h"

#define PIECES ((size_t)1000)
#define FILLER 0x5a

static struct fault mmap_fault;
static size_t mapped; /* bytes that are mapped and not unmapped */
static unsigned maps; /* calls of mmap(2) */
static unsigned malloc_calls;
static bool counting; /* calls of malloc(3) */

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_hits(&mmap_fault))
        return MAP_FAILED;
    void *memory = __real_mmap(addr, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED) {
        mapped += size;
        maps++;
    }
    return memory;
}

int __wrap_munmap(void *addr, size_t size)
{
    int result = __real_munmap(addr, size);

    if (result == 0)
        mapped -= size;
    return result;
}

void *__wrap_malloc(size_t size)
{
    malloc_calls += counting;
    return __real_malloc(size);
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = (struct fault){0};
    mapped = 0;
    maps = 0;
    malloc_calls = 0;
    counting = false;
    return 0;
}

static bool is_zero(const char *piece, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] != 0)
            return false;
    return true;
}

static void pieces_are_zero_aligned_and_apart(void **state)
{
    static char *pieces[PIECES];
    struct metadata metadata = {0};

    (void)state;
    counting = true;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = metadata_take(&metadata, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % METADATA_ALIGNMENT, 0);
        assert_true(is_zero(pieces[i], i));
        memset(pieces[i], FILLER, i);
    }
    counting = false;
    for (size_t i = 1; i < PIECES; i++)
        for (size_t at = 0; at < i; at++)
            assert_int_equal(pieces[i][at], FILLER);
    /* malloc(3) must not be called: below the allocator's hooks it may be this library. */
    assert_int_equal(malloc_calls, 0);
    metadata_release(&metadata);
    assert_int_equal(mapped, 0);
}

static void small_pieces_share_a_block(void **state)
{
    struct metadata metadata = {0};

    (void)state;
    for (size_t i = 0; i < PIECES; i++)
        assert_non_null(metadata_take(&metadata, METADATA_ALIGNMENT));
    assert_int_equal(maps, 1);
    metadata_release(&metadata);
    assert_int_equal(mapped, 0);
}

static void piece_of_any_size_fits(void **state)
{
    const size_t sizes[] = {METADATA_BLOCK - 64, METADATA_BLOCK - METADATA_ALIGNMENT,
                            METADATA_BLOCK,      METADATA_BLOCK + 1,
                            16 * METADATA_BLOCK, 1};
    struct metadata metadata = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *piece = metadata_take(&metadata, sizes[i]);

        assert_non_null(piece);
        assert_true(is_zero(piece, sizes[i]));
        memset(piece, FILLER, sizes[i]);
    }
    metadata_release(&metadata);
    assert_int_equal(mapped, 0);
}

static void last_byte_of_a_block_is_used(void **state)
{
    struct metadata metadata = {0};

    (void)state;
    while (maps < 2)
        assert_non_null(metadata_take(&metadata, METADATA_ALIGNMENT));
    /* All but the record at its start was used for pieces. The last one needed the second block. */
    assert_int_equal(mapped, 2 * METADATA_BLOCK);
    metadata_release(&metadata);
    assert_int_equal(mapped, 0);
}

static void no_memory_is_null(void **state)
{
    struct metadata metadata = {0};

    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_null(metadata_take(&metadata, 1));
    assert_null(metadata.blocks);
    /* The next call succeeds, and a failure leaves existing pieces in use. */
    char *piece = metadata_take(&metadata, 1);
    assert_non_null(piece);
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_null(metadata_take(&metadata, 2 * METADATA_BLOCK));
    assert_ptr_equal(metadata_take(&metadata, 1), piece + METADATA_ALIGNMENT);
    metadata_release(&metadata);
    assert_int_equal(mapped, 0);
}

static void impossible_size_is_null(void **state)
{
    struct metadata metadata = {0};

    (void)state;
    assert_null(metadata_take(&metadata, SIZE_MAX));
    assert_null(metadata_take(&metadata, SIZE_MAX - METADATA_ALIGNMENT));
    assert_null(metadata_take(&metadata, SIZE_MAX / 2));
    assert_int_equal(mapped, 0);
    metadata_release(&metadata);
}

static void metadata_can_be_used_after_release(void **state)
{
    struct metadata metadata = {0};

    (void)state;
    metadata_release(&metadata);
    assert_non_null(metadata_take(&metadata, 1));
    metadata_release(&metadata);
    assert_null(metadata.blocks);
    assert_int_equal(metadata.used, 0);
    assert_non_null(metadata_take(&metadata, 1));
    metadata_release(&metadata);
    metadata_release(&metadata);
    assert_int_equal(mapped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pieces_are_zero_aligned_and_apart, setup),
        cmocka_unit_test_setup(small_pieces_share_a_block, setup),
        cmocka_unit_test_setup(piece_of_any_size_fits, setup),
        cmocka_unit_test_setup(last_byte_of_a_block_is_used, setup),
        cmocka_unit_test_setup(no_memory_is_null, setup),
        cmocka_unit_test_setup(impossible_size_is_null, setup),
        cmocka_unit_test_setup(metadata_can_be_used_after_release, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
