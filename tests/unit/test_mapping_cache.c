/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the mapping cache: which mappings are kept, and failures. */
/* WRAP: mmap munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>

#include "os/mapping_cache.h"
#include "support/faults.h"

#define SIZE ((size_t)64 << 10)

static struct fault mmap_fault;
static long pieces; /* mapped pieces */

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_hits(&mmap_fault))
        return MAP_FAILED;
    pieces++;
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *addr, size_t size)
{
    pieces--;
    errno = EINVAL; /* the caller's errno must not change */
    return __real_munmap(addr, size);
}

static void kept_pieces_are_found_again(void **state)
{
    struct mapping_cache cache = MAPPING_CACHE_INITIALIZER;
    long before = pieces;

    (void)state;
    assert_null(mapping_cache_find(&cache));
    char *piece = mapping_cache_take(&cache, SIZE);
    assert_non_null(piece);
    assert_int_equal(piece[0], 0);
    piece[0] = 'x';
    mapping_cache_put(&cache, piece, SIZE);
    assert_ptr_equal(mapping_cache_take(&cache, SIZE), piece);
    assert_int_equal(piece[0], 'x');
    mapping_cache_put(&cache, piece, SIZE);
    assert_ptr_equal(mapping_cache_find(&cache), piece);
    assert_int_equal(pieces, before + 1);
    munmap(piece, SIZE);
}

static void no_more_than_a_few_are_kept(void **state)
{
    struct mapping_cache cache = MAPPING_CACHE_INITIALIZER;
    void *taken[MAPPING_CACHE_PIECES + 3];
    const size_t count = sizeof(taken) / sizeof(taken[0]);
    long before = pieces;

    (void)state;
    for (size_t i = 0; i < count; i++)
        taken[i] = mapping_cache_take(&cache, SIZE);
    errno = EAGAIN;
    for (size_t i = 0; i < count; i++)
        mapping_cache_put(&cache, taken[i], SIZE);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(pieces, before + MAPPING_CACHE_PIECES);
    for (void *piece = mapping_cache_find(&cache); piece != NULL;
         piece = mapping_cache_find(&cache))
        munmap(piece, SIZE);
    assert_int_equal(pieces, before);
}

static void no_memory_is_null(void **state)
{
    struct mapping_cache cache = MAPPING_CACHE_INITIALIZER;

    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_null(mapping_cache_take(&cache, SIZE));
    assert_int_equal(errno, ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_pieces_are_found_again),
        cmocka_unit_test(no_more_than_a_few_are_kept),
        cmocka_unit_test(no_memory_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
