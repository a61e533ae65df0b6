/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the calls to jemalloc: arenas, blocks, counters, and what remains when a control fails.
 */
/* WRAP: jemk_mallctl jemk_mallctlbymib */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#include "heap/jemalloc_block.h"
#include "heap/jemalloc_ctl.h"
#include "support/faults.h"
#include "support/jemalloc_arena.h"

#define KIB       ((size_t)1 << 10)
#define MIB       ((size_t)1 << 20)
#define GIB       ((size_t)1 << 30)
#define MANY      200
#define SLAB      32 /* blocks of 512 bytes in a slab of four pages */
#define BLOCKS    (4 * SLAB)
#define FILLER    0x11
#define QUIET_ARG "--only-allocate"

static struct fault mallctl_fault;
static unsigned destroyed; /* arenas */

int __real_jemk_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
int __wrap_jemk_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
int __real_jemk_mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size,
                             void *new, size_t new_size);
int __wrap_jemk_mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size,
                             void *new, size_t new_size);

int __wrap_jemk_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
    /* Destroying an arena whose creation failed succeeds. */
    if (strstr(name, ".destroy") != NULL)
        destroyed++;
    else if (mallctl_fault.times != 0 && fault_hits(&mallctl_fault))
        return mallctl_fault.error;
    return __real_jemk_mallctl(name, old, old_size, new, new_size);
}

int __wrap_jemk_mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size,
                             void *new, size_t new_size)
{
    return fault_hits_if_set(&mallctl_fault)
               ? mallctl_fault.error
               : __real_jemk_mallctlbymib(mib, parts, old, old_size, new, new_size);
}

static int setup(void **state)
{
    (void)state;
    mallctl_fault = (struct fault){0};
    destroyed = 0;
    return make_arena();
}

static int teardown(void **state)
{
    (void)state;
    mallctl_fault = (struct fault){0};
    jemalloc_ctl_arena_destroy(arena);
    return 0;
}

static unsigned arenas_of_process(void)
{
    unsigned count = 0;
    size_t size = sizeof(count);

    assert_int_equal(__real_jemk_mallctl("arenas.narenas", &count, &size, NULL, 0), 0);
    return count;
}

/* -- Arenas ------------------------------------------------------------------------------------ */

static void new_arena_asks_for_no_region(void **state)
{
    (void)state;
    /* Metadata does not come from the region. */
    assert_int_equal(region_allocs, 0);
    assert_true(arena >= 1);
}

static void blocks_come_from_the_hooks(void **state)
{
    void *block = jemalloc_block_alloc(arena, 100, 0, false);
    unsigned owner = 0;

    (void)state;
    assert_non_null(block);
    assert_true(region_allocs > 0);
    assert_int_equal(jemalloc_ctl_arena_of(block, &owner), 0);
    assert_int_equal(owner, arena);
    jemalloc_block_free(block);
}

static void numbers_of_arenas_are_used_again(void **state)
{
    unsigned before = arenas_of_process();

    (void)state;
    for (int i = 0; i < MANY; i++) {
        unsigned more;

        assert_int_equal(jemalloc_ctl_arena_create(&region_hooks, &metadata_hooks, &more), 0);
        jemalloc_ctl_arena_destroy(more);
    }
    assert_true(arenas_of_process() <= before + 1);
}

static void arena_that_cannot_be_made_leaves_nothing(void **state)
{
    unsigned before = arenas_of_process();
    unsigned more = 0;
    unsigned n;

    (void)state;
    for (n = 0;; n++) {
        fault_set(&mallctl_fault, EFAULT, 1);
        mallctl_fault.skip = n;
        destroyed = 0;
        int err = jemalloc_ctl_arena_create(&region_hooks, &metadata_hooks, &more);
        mallctl_fault = (struct fault){0};
        if (err == 0)
            break;
        assert_int_equal(err, -EFAULT);
        /* The first call creates it. */
        assert_int_equal(destroyed, n > 0);
        assert_true(arenas_of_process() <= before + 1);
    }
    assert_true(n >= 2);
    jemalloc_ctl_arena_destroy(more);
    fault_set(&mallctl_fault, EAGAIN, 1);
    assert_int_equal(jemalloc_ctl_arena_create(&region_hooks, &metadata_hooks, &more), -EAGAIN);
}

static void limit_leaves_jemallocs_own_arena_out(void **state)
{
    (void)state;
    assert_int_equal(jemalloc_ctl_arena_limit(), 4093);
}

static unsigned *made; /* arenas of the next test */

static void as_many_arenas_as_the_limit_says(void **state)
{
    unsigned limit = jemalloc_ctl_arena_limit();
    unsigned count = 0;
    int err = 0;

    (void)state;
    jemalloc_ctl_arena_destroy(arena);
    made = malloc(limit * sizeof(*made));
    assert_non_null(made);
    while (count < limit && err == 0) {
        err = jemalloc_ctl_arena_create(&region_hooks, &metadata_hooks, &made[count]);
        count += err == 0;
    }
    for (unsigned i = 0; i < count; i++)
        jemalloc_ctl_arena_destroy(made[i]);
    free(made);
    assert_int_equal(count, limit);
    setup(state);
}

static void purge_gives_unused_pages_back(void **state)
{
    void *block = jemalloc_block_alloc(arena, MIB, 0, false);

    (void)state;
    jemalloc_block_free(block);
    assert_int_equal(decommits, 0);
    jemalloc_ctl_arena_purge(arena);
    assert_true(decommits > 0);
}

static void without_decay_pages_go_back_at_once(void **state)
{
    (void)state;
    assert_int_equal(jemalloc_ctl_arena_set_decay(arena, 0), 0);
    jemalloc_block_free(jemalloc_block_alloc(arena, MIB, 0, false));
    assert_true(decommits > 0);
    decommits = 0;
    assert_int_equal(jemalloc_ctl_arena_set_decay(arena, -1), 0);
    jemalloc_block_free(jemalloc_block_alloc(arena, MIB, 0, false));
    assert_int_equal(decommits, 0);
    assert_true(jemalloc_ctl_arena_set_decay(arena, -2) < 0);
    fault_set(&mallctl_fault, ENOENT, 1);
    assert_int_equal(jemalloc_ctl_arena_set_decay(arena, 0), -ENOENT);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static bool is_filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

static void blocks_are_what_was_asked_for(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 4 * MIB; size = size * 2 + 1)
        for (size_t alignment = 0; alignment <= 64 * KIB; alignment = alignment * 8 + 1) {
            size_t power = alignment == 0 ? 0 : (size_t)1 << (63 - __builtin_clzl(alignment));
            unsigned char *block = jemalloc_block_alloc(arena, size, power, true);

            assert_non_null(block);
            assert_true(power == 0 || (uintptr_t)block % power == 0);
            assert_true(jemalloc_block_size(block) >= size);
            assert_true(is_filled(block, size, 0));
            memset(block, FILLER, size);
            jemalloc_block_free(block);
        }
}

static void large_block_has_no_page_too_many(void **state)
{
    void *block = jemalloc_block_alloc(arena, 16 * MIB, 0, false);

    (void)state;
    assert_int_equal(jemalloc_block_size(block), 16 * MIB);
    assert_int_equal((uintptr_t)block % (4 * KIB), 0);
    jemalloc_block_free(block);
}

static void impossible_blocks_are_null(void **state)
{
    (void)state;
    assert_null(jemalloc_block_alloc(arena, SIZE_MAX, 0, false));
    assert_null(jemalloc_block_alloc(arena, SIZE_MAX / 2, 0, false));
    assert_null(jemalloc_block_alloc(arena, 1, (size_t)1 << 62, false));
    void *block = jemalloc_block_alloc(arena, 1, 0, false);
    assert_null(jemalloc_block_realloc(arena, block, SIZE_MAX));
    jemalloc_block_free(block);
}

static void class_sizes_are_those_of_blocks(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 64 * KIB; size += size / 7 + 1) {
        void *block = jemalloc_block_alloc(arena, size, 0, false);

        assert_int_equal(jemalloc_block_class_size(size), jemalloc_block_size(block));
        jemalloc_block_free(block);
    }
    assert_int_equal(jemalloc_block_class_size(SIZE_MAX), 0);
}

static void foreign_address_has_no_arena(void **state)
{
    unsigned owner = 0;
    char *block = jemalloc_block_alloc(arena, 2 * MIB, 0, false);

    (void)state;
    /* An address in the other half of the block's GiB, which jemalloc does not own. */
    const void *foreign = (const void *)((uintptr_t)block ^ (512 * MIB));
    assert_int_equal(jemalloc_ctl_arena_of(foreign, &owner), -ENOENT);
    fault_set(&mallctl_fault, EINVAL, 1);
    assert_int_equal(jemalloc_ctl_arena_of(block, &owner), -ENOENT);
    jemalloc_block_free(block);
}

static void only_blocks_in_sparse_slabs_are_moved(void **state)
{
    static void *blocks[BLOCKS];
    void *large = jemalloc_block_alloc(arena, MIB, 0, false);

    (void)state;
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = jemalloc_block_alloc(arena, 512, 0, false);
    assert_false(jemalloc_ctl_moving_helps(large));
    for (size_t i = 0; i < BLOCKS; i++)
        assert_false(jemalloc_ctl_moving_helps(blocks[i]));
    /* One block of the first slab, which is filled next, and all but one of the second. */
    jemalloc_block_free(blocks[0]);
    for (size_t i = SLAB + 1; i < 2 * SLAB; i++)
        jemalloc_block_free(blocks[i]);
    assert_true(jemalloc_ctl_moving_helps(blocks[SLAB]));
    assert_false(jemalloc_ctl_moving_helps(blocks[1]));
    assert_false(jemalloc_ctl_moving_helps(blocks[BLOCKS - 1]));
    struct jemalloc_use use;
    assert_int_equal(jemalloc_ctl_use_of(blocks[SLAB], &use), 0);
    assert_int_equal(use.slab_free, SLAB - 1);
    assert_int_equal(use.slab_blocks, SLAB);
    assert_true(use.class_free >= use.slab_free && use.class_blocks >= use.slab_blocks);
    fault_set(&mallctl_fault, EINVAL, 1);
    assert_false(jemalloc_ctl_moving_helps(blocks[SLAB]));
    fault_set(&mallctl_fault, EINVAL, 1);
    assert_int_equal(jemalloc_ctl_use_of(blocks[SLAB], &use), -EINVAL);
    jemalloc_block_free(large);
}

static bool has_jemalloc_cache(void)
{
    bool enabled = true;
    size_t size = sizeof(enabled);

    assert_int_equal(__real_jemk_mallctl("thread.tcache.enabled", &enabled, &size, NULL, 0), 0);
    return enabled;
}

static void *use_arena(void *argument)
{
    jemalloc_block_free(jemalloc_block_alloc(arena, 100, 0, false));
    assert_false(has_jemalloc_cache());
    return argument;
}

static void threads_have_no_caches_of_jemallocs(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, use_arena, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* -- Counters ---------------------------------------------------------------------------------- */

static void counters_count(void **state)
{
    struct jemalloc_stats stats = {1, 2, 3};
    void *large = jemalloc_block_alloc(arena, MIB, 0, false);
    void *small = jemalloc_block_alloc(arena, 512, 0, false);

    (void)state;
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    assert_int_equal(jemalloc_ctl_add_arena_stats(arena, &stats), 0);
    assert_int_equal(stats.allocated, MIB + 512 + 3);
    assert_int_equal(stats.active, MIB + SLAB * 512 + 2);
    assert_true(stats.resident >= stats.active - 1);
    assert_int_equal(jemalloc_ctl_total_stats(&stats), 0);
    assert_true(stats.allocated >= MIB + 512);
    jemalloc_block_free(large);
    jemalloc_block_free(small);
}

static void counter_that_cannot_be_read_is_an_error(void **state)
{
    struct jemalloc_stats stats = {1, 2, 3};

    (void)state;
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    for (unsigned n = 0; n < 5; n++) {
        fault_set(&mallctl_fault, ENOENT, 1);
        mallctl_fault.skip = n;
        assert_int_equal(jemalloc_ctl_add_arena_stats(arena, &stats), -ENOENT);
        assert_int_equal(mallctl_fault.calls, n + 1);
        /* The counters are set, not added up. */
        assert_int_equal(stats.resident, 1);
        assert_int_equal(stats.active, 2);
        assert_int_equal(stats.allocated, 3);
    }
    for (unsigned n = 0; n < 3; n++) {
        fault_set(&mallctl_fault, ENOENT, 1);
        mallctl_fault.skip = n;
        assert_int_equal(jemalloc_ctl_total_stats(&stats), -ENOENT);
    }
    fault_set(&mallctl_fault, EFAULT, 1);
    assert_int_equal(jemalloc_ctl_update_stats(), -EFAULT);
}

static void count_bytes(void *count, const char *text)
{
    *(size_t *)count += strlen(text);
}

static void numbers_are_read(void **state)
{
    uint64_t value = 77;
    size_t size = 77;

    (void)state;
    assert_int_equal(jemalloc_ctl_number("arenas.bin.1.size", &value, &size), 0);
    assert_int_equal(value, 16);
    assert_int_equal(size, sizeof(size_t));
    assert_int_equal(jemalloc_ctl_number("arenas.nbins", &value, &size), 0);
    assert_in_range(value, 10, 100);
    assert_int_equal(size, sizeof(unsigned));
    assert_int_equal(jemalloc_ctl_number("arenas.bin.1000.size", &value, &size), -ENOENT);
    assert_int_equal(jemalloc_ctl_number("config.stats", &value, &size), -EINVAL);
    void *block = jemalloc_block_alloc(arena, 48, 0, false);
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    assert_int_equal(jemalloc_ctl_arena_number(arena, "bins.3.curregs", &value, &size), 0);
    assert_int_equal(value, 1);
    jemalloc_block_free(block);
    assert_int_equal(jemalloc_ctl_arena_number(arena, "bins.3.none", &value, &size), -ENOENT);
    static const char longer[] =
        "bins.3.a_name_that_is_longer_than_any_that_jemalloc_has_for_a_number";
    assert_int_equal(jemalloc_ctl_arena_number(arena, longer, &value, &size), -ENOENT);
    fault_set(&mallctl_fault, EAGAIN, 1);
    assert_int_equal(jemalloc_ctl_number("arenas.nbins", &value, &size), -EAGAIN);
}

static void report_is_printed(void **state)
{
    size_t count = 0;

    (void)state;
    jemalloc_ctl_print_stats(count_bytes, &count, "");
    assert_true(count > 100);
}

static void settings_that_fail_are_errors(void **state)
{
    (void)state;
    fault_set(&mallctl_fault, ENOENT, FAULT_ALWAYS);
    assert_int_equal(jemalloc_ctl_set_background_threads(true), -ENOENT);
    for (unsigned n = 0; n < 2; n++) {
        fault_set(&mallctl_fault, ENOENT, 1);
        mallctl_fault.skip = n;
        assert_int_equal(jemalloc_ctl_limit_background_threads(1), -ENOENT);
    }
    mallctl_fault = (struct fault){0};
    /* The machine's maximum, if that is less. */
    assert_int_equal(jemalloc_ctl_limit_background_threads(SIZE_MAX), 0);
    assert_int_equal(jemalloc_ctl_limit_background_threads(1), 0);
    assert_int_equal(jemalloc_ctl_set_background_threads(false), 0);
}

/* -- Silence ----------------------------------------------------------------------------------- */

/* A process that only allocates must print nothing on either stream. */
static void nothing_is_printed(void **state)
{
    char text[200];
    int ends[2];
    int status;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execl("/proc/self/exe", "test_jemalloc_ctl", QUIET_ARG, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(length >= 0);
    text[length] = '\0';
    assert_string_equal(text, "");
    assert_int_equal(status, 0);
}

static int only_allocate(void)
{
    void *block;

    if (setup(NULL) != 0)
        return 1;
    block = jemalloc_block_alloc(arena, 1, 0, false);
    if (block == NULL)
        return 1;
    jemalloc_block_free(block);
    return teardown(NULL);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_printed),
        TEST(new_arena_asks_for_no_region),
        TEST(blocks_come_from_the_hooks),
        TEST(numbers_of_arenas_are_used_again),
        TEST(arena_that_cannot_be_made_leaves_nothing),
        TEST(limit_leaves_jemallocs_own_arena_out),
        TEST(as_many_arenas_as_the_limit_says),
        TEST(purge_gives_unused_pages_back),
        TEST(without_decay_pages_go_back_at_once),
        TEST(blocks_are_what_was_asked_for),
        TEST(large_block_has_no_page_too_many),
        TEST(impossible_blocks_are_null),
        TEST(class_sizes_are_those_of_blocks),
        TEST(foreign_address_has_no_arena),
        TEST(only_blocks_in_sparse_slabs_are_moved),
        TEST(threads_have_no_caches_of_jemallocs),
        TEST(counters_count),
        TEST(counter_that_cannot_be_read_is_an_error),
        TEST(numbers_are_read),
        TEST(report_is_printed),
        TEST(settings_that_fail_are_errors),
    };

    if (argc > 1 && strcmp(argv[1], QUIET_ARG) == 0)
        return only_allocate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
