/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a program that forks while another of its threads prints the JSON report hung for ever.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define FORKS        60
#define HANG_SECONDS 300

static memkind_t kind;
static atomic_bool stop;

static void drop(void *opaque, const char *piece)
{
    (void)opaque;
    (void)piece;
}

static void print_json(void)
{
    assert_int_equal(memkind_stats_print(drop, NULL, MEMKIND_STAT_PRINT_JSON_FORMAT),
                     MEMKIND_SUCCESS);
}

static void print_text(void)
{
    assert_int_equal(memkind_stats_print(drop, NULL, MEMKIND_STAT_PRINT_OMIT_PER_ARENA),
                     MEMKIND_SUCCESS);
}

static void read_counters(void)
{
    size_t value;

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    for (int type = 0; type < MEMKIND_STAT_TYPE_MAX_VALUE; type++) {
        assert_int_equal(memkind_get_stat(NULL, (memkind_stat_type)type, &value), MEMKIND_SUCCESS);
        assert_int_equal(memkind_get_stat(kind, (memkind_stat_type)type, &value), MEMKIND_SUCCESS);
    }
}

static void change_settings(void)
{
    assert_int_equal(
        kind->ops->update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE), 0);
    assert_int_equal(kind->ops->update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_DEFAULT),
                     0);
    assert_int_equal(memkind_purge(kind), 0);
}

static void make_and_destroy(void)
{
    memkind_t other = fixture_pmem(0);
    void *block = memkind_malloc(other, KIB);

    assert_ptr_equal(memkind_detect_kind(block), other);
    fixture_destroy(other);
}

static void use_blocks(void)
{
    void *blocks[] = {memkind_malloc(kind, KIB), memkind_malloc(kind, MIB),
                      memkind_malloc(MEMKIND_DEFAULT, KIB), memkind_malloc(MEMKIND_REGULAR, KIB)};

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = memkind_realloc(NULL, blocks[i], 2 * KIB);
        void *moved = memkind_defrag_reallocate(NULL, blocks[i]);
        memkind_free(NULL, moved != NULL ? moved : blocks[i]);
    }
}

static void (*const calls[])(void) = {print_json,      print_text,       read_counters,
                                      change_settings, make_and_destroy, use_blocks};

static void *call_all_the_time(void *call)
{
    while (!atomic_load(&stop))
        (*(void (**)(void))call)();
    return NULL;
}

static void check_child(pid_t child)
{
    int status;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void forks_beside_all_calls(void **state)
{
    pthread_t threads[COUNT_OF(calls)];

    (void)state;
    kind = fixture_pmem(0);
    alarm(HANG_SECONDS);
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, call_all_the_time, (void *)(uintptr_t)&calls[i]), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();

        if (child == 0) {
            alarm(HANG_SECONDS);
            for (size_t c = 0; i % 6 == 0 && c < COUNT_OF(calls); c++)
                calls[c]();
            _exit(0);
        }
        check_child(child);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    alarm(0);
    fixture_destroy(kind);
}

/* Allocates, creates kinds, prints another report, and forks, as a program's logging might. */
static void use_all(void *opaque, const char *piece)
{
    bool *has_run = opaque;

    (void)piece;
    if (*has_run)
        return;
    *has_run = true;
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        calls[i]();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    check_child(child);
}

static void callback_does_as_it_likes(void **state)
{
    static const unsigned options[] = {MEMKIND_STAT_PRINT_ALL, MEMKIND_STAT_PRINT_JSON_FORMAT};

    (void)state;
    kind = fixture_pmem(0);
    alarm(HANG_SECONDS);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        bool has_run = false;

        assert_int_equal(memkind_stats_print(use_all, &has_run, (memkind_stat_print_opt)options[i]),
                         0);
        assert_true(has_run);
    }
    alarm(0);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forks_beside_all_calls, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(callback_does_as_it_likes, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
