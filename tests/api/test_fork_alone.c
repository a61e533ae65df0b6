/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of forks of a process that has one thread: the child goes on with the thread's caches, and
 * does the rest late. No test starts a thread.
 */
#include "api/fork_fixture.h"

#include <sys/resource.h>

#define KINDS 40u

/* Page faults that all kinds together add to those of a child that does nothing with them. */
#define FAULTS_MOST 15

static memkind_t kinds[KINDS];

static void make_kind(memkind_fork_mode mode, memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();

    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, mode);
    assert_int_equal(memkind_create_pmem_with_config(config, kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
}

static void make_kinds(memkind_fork_mode mode)
{
    for (unsigned i = 0; i < KINDS; i++) {
        make_kind(mode, &kinds[i]);
        assert_non_null(memkind_malloc(kinds[i], KIB));
    }
}

static void end_kinds(void)
{
    for (unsigned i = 0; i < KINDS; i++)
        assert_int_equal(memkind_destroy_kind(kinds[i]), MEMKIND_SUCCESS);
}

static void check_child(pid_t child)
{
    int status = fixture_wait(child);

    if (status != 0)
        fail_msg("a child failed at a line that is %d modulo 255", status);
}

static long faults_of_children(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return usage.ru_minflt;
}

/* -- Cost -------------------------------------------------------------------------------------- */

static long faults_of_child(void (*work)(void))
{
    long faults = faults_of_children();
    pid_t child = fixture_fork();

    if (child == 0) {
        work();
        _exit(0);
    }
    check_child(child);
    return faults_of_children() - faults;
}

static void do_nothing(void)
{
}

/* However many kinds there are, the child writes to nothing of theirs. */
static void check_idle_child(memkind_fork_mode mode)
{
    (void)faults_of_child(do_nothing);
    long before = faults_of_child(do_nothing);
    make_kinds(mode);
    (void)faults_of_child(do_nothing);
    long faults = faults_of_child(do_nothing);
    print_message("%ld faults of a child, with %u kinds, mode %d, %ld\n", before, KINDS, (int)mode,
                  faults);
    end_kinds();
    assert_true(faults <= before + FAULTS_MOST);
}

static void test_idle_child(void **state)
{
    (void)state;
    skip_if_not_alone();
    check_idle_child(MEMKIND_FORK_SNAPSHOT);
    check_idle_child(MEMKIND_FORK_SHARE);
}

/* Of a size that the parent has not used; the first free and malloc of the child. */
static void use_new_size(void)
{
    void *block = memkind_malloc(kinds[0], 400);

    EXPECT(block != NULL);
    memkind_free(kinds[0], block);
}

/* The second child finds the blocks that the first has lacked in the thread's cache. */
static void test_second_child_lacks_nothing(void **state)
{
    (void)state;
    skip_if_not_alone();
    make_kind(MEMKIND_FORK_SNAPSHOT, &kinds[0]);
    assert_non_null(memkind_malloc(kinds[0], KIB));
    (void)faults_of_child(do_nothing);
    long idle = faults_of_child(do_nothing);
    long first = faults_of_child(use_new_size);
    long second = faults_of_child(use_new_size);
    print_message("%ld faults of an idle child; %ld and %ld of those that use a size\n", idle,
                  first, second);
    assert_true(second < first);
    assert_in_range(second - idle, 0, 8);
    assert_int_equal(memkind_destroy_kind(kinds[0]), MEMKIND_SUCCESS);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

/* Each block's first word is its number; no two are at one address. */
static void fill(memkind_t kind, size_t **found, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        found[i] = memkind_malloc(kind, (size_t)16 << (i % 9));
        EXPECT(found[i] != NULL);
        *found[i] = first + i;
    }
}

static void check(size_t *const *found, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++)
        EXPECT(*found[i] == first + i);
}

#define COUNT ((size_t)3000)

/* Allocates by the thread's caches, then past them, and forks again in between. */
static void live(memkind_t kind, size_t *const *inherited, unsigned generations)
{
    static size_t *own[8][COUNT];
    size_t first = (generations + 1) * COUNT;
    size_t **mine = own[generations];

    check(inherited, COUNT, first + COUNT);
    fill(kind, mine, COUNT / 100, first);
    for (size_t i = 0; i < COUNT; i += 3)
        memkind_free(kind, inherited[i]);
    fill(kind, mine, COUNT, first);
    for (size_t i = 0; i < COUNT; i++)
        EXPECT(i % 3 == 0 || *inherited[i] == first + COUNT + i);
    check(mine, COUNT, first);
    if (generations == 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        live(kind, mine, generations - 1);
        _exit(0);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    check(mine, COUNT, first);
}

static void check_blocks(memkind_t kind)
{
    static size_t *blocks_of_parent[COUNT];
    size_t first = 7 * COUNT;

    fill(kind, blocks_of_parent, COUNT, first);
    for (int i = 0; i < 3; i++) {
        pid_t child = fixture_fork();

        if (child == 0) {
            live(kind, blocks_of_parent, 5);
            _exit(0);
        }
        check_child(child);
        check(blocks_of_parent, COUNT, first);
    }
    for (size_t i = 0; i < COUNT; i++)
        memkind_free(kind, blocks_of_parent[i]);
}

static void test_children_go_on_with_caches(void **state)
{
    (void)state;
    make_kind(MEMKIND_FORK_SNAPSHOT, &kinds[0]);
    check_blocks(kinds[0]);
    assert_int_equal(memkind_destroy_kind(kinds[0]), MEMKIND_SUCCESS);
    check_blocks(MEMKIND_DEFAULT);
}

/* What a child may do first with a kind that is still its parent's. */
static void ask(memkind_t kind)
{
    size_t value = 0;

    EXPECT(memkind_update_cached_stats() == MEMKIND_SUCCESS);
    EXPECT(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &value) == MEMKIND_SUCCESS);
    EXPECT(value >= KIB);
}

static void end_kind(memkind_t kind)
{
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static void grow_block(memkind_t kind)
{
    char *grown = memkind_realloc(kind, blocks[0], 2 * MIB);

    EXPECT(grown != NULL && fixture_is_filled(grown, size_of(0), 0));
}

static void take_much(memkind_t kind)
{
    char *block = memkind_calloc(kind, 1, 8 * MIB);

    EXPECT(block != NULL && fixture_is_zero(block, 8 * MIB));
    memset(block, 1, 8 * MIB);
}

static void purge(memkind_t kind)
{
    EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
}

static void test_first_calls(void **state)
{
    void (*const calls[])(memkind_t) = {ask, end_kind, grow_block, take_much, purge, free_blocks};

    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        make_kind(MEMKIND_FORK_SNAPSHOT, &kinds[0]);
        fill_blocks(kinds[0]);
        pid_t child = fixture_fork();

        if (child == 0) {
            calls[i](kinds[0]);
            _exit(0);
        }
        check_child(child);
        EXPECT(are_blocks_filled());
        assert_int_equal(memkind_destroy_kind(kinds[0]), MEMKIND_SUCCESS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_idle_child),
        FIXTURE_TEST(test_second_child_lacks_nothing),
        FIXTURE_TEST(test_children_go_on_with_caches),
        FIXTURE_TEST(test_first_calls),
    };

    /* The idle thread would be a second one. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
