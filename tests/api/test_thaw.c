/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of memkind_thaw(): a process whose threads cannot be stopped returns its pages to the file.
 */
#include "api/fork_fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "support/call_filter.h"

#define SIZE (9 * MIB)

static sem_t over;

/* -- The report -------------------------------------------------------------------------------- */

static void add_frozen(void *sum, const char *text)
{
    static const char name[] = ", frozen: ";
    const char *found = strstr(text, name);

    if (found != NULL)
        *(size_t *)sum += strtoul(found + strlen(name), NULL, 10);
}

static size_t frozen(void)
{
    size_t sum = 0;

    EXPECT(memkind_stats_print(add_frozen, &sum, 0) == MEMKIND_SUCCESS);
    return sum;
}

/* -- A process with a filter of its own -------------------------------------------------------- */

static void *wait_for_end(void *unused)
{
    sem_wait(&over);
    return unused;
}

static memkind_t make(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;

    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_size(config, 64 * MIB);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    EXPECT(memkind_create_pmem_with_config(config, &kind) == MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return kind;
}

static void write_beside_child(char *block)
{
    struct gate end = gate_new();
    pid_t child = fork();

    if (child == 0) {
        gate_wait(&end);
        EXPECT(fixture_is_filled(block, SIZE, 1));
        _exit(0);
    }
    fixture_fill(block, SIZE, 2);
    gate_open(&end);
    EXPECT(fixture_wait(child) == 0);
    gate_close(&end);
}

/* The library stops no thread after that. */
static bool filter_ptrace(void)
{
    const struct call_filter_rule rule = {.call = SYS_ptrace, .error = EPERM};

    return call_filter_install(&rule, 1);
}

static void thaw_with_thread(void)
{
    memkind_t kind = make();
    char *block = memkind_malloc(kind, SIZE);
    pthread_t thread;

    EXPECT(block != NULL && sem_init(&over, 0, 0) == 0);
    fixture_fill(block, SIZE, 1);
    if (!filter_ptrace())
        return;
    EXPECT(pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
    write_beside_child(block);
    EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
    EXPECT(frozen() >= SIZE);
    errno = ENOTTY;
    EXPECT(memkind_thaw(kind) == MEMKIND_SUCCESS);
    EXPECT(errno == ENOTTY);
    EXPECT(frozen() == 0);
    EXPECT(fixture_is_filled(block, SIZE, 2));
    sem_post(&over);
    pthread_join(thread, NULL);
}

static void test_threads_that_cannot_be_stopped(void **state)
{
    (void)state;
    pid_t child = fixture_fork();
    if (child == 0) {
        thaw_with_thread();
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
}

/* -- Other kinds and states -------------------------------------------------------------------- */

static void test_a_child_that_lives(void **state)
{
    memkind_t kind = make();
    struct gate end = gate_new();
    char *block = memkind_malloc(kind, SIZE);

    (void)state;
    assert_non_null(block);
    fixture_fill(block, SIZE, 1);
    assert_int_equal(memkind_thaw(kind), MEMKIND_SUCCESS);
    pid_t child = fixture_fork();
    if (child == 0) {
        gate_wait(&end);
        _exit(0);
    }
    fixture_fill(block, SIZE, 2);
    assert_int_equal(memkind_thaw(kind), MEMKIND_ERROR_OPERATION_FAILED);
    gate_open(&end);
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(memkind_thaw(kind), MEMKIND_SUCCESS);
    assert_true(fixture_is_filled(block, SIZE, 2));
    gate_close(&end);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

static void test_kinds_without_a_file(void **state)
{
    (void)state;
    assert_int_equal(memkind_thaw(NULL), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_thaw(MEMKIND_DEFAULT), MEMKIND_SUCCESS);
    assert_int_equal(memkind_thaw(MEMKIND_REGULAR), MEMKIND_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_threads_that_cannot_be_stopped),
        FIXTURE_TEST(test_a_child_that_lives),
        FIXTURE_TEST(test_kinds_without_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
