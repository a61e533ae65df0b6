/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: memory that a program freed before it slept stayed in the file for as long as it slept.
 */
#include "api/fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define DECAY_SECONDS 15
#define STEP_SECONDS  2
#define STEPS         6
#define SLEEPERS      24
#define LARGE_BLOCKS  64
#define LITTLE        (100 * KIB)

/* In a process that the test has started. */
#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            print_error("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            _exit(EXIT_FAILURE);                                                  \
        }                                                                         \
    } while (0)

static void *blocks[1 << 16];

/* Allocates blocks of all sizes, `bytes` in all. Returns their number. */
static size_t take(memkind_t kind, size_t bytes)
{
    size_t count = 0;

    for (size_t taken = 0; taken < bytes && count < COUNT_OF(blocks); count++) {
        size_t size = count % 64 == 0 ? MIB : 64 + count * 37 % 8192;

        blocks[count] = memkind_malloc(kind, size);
        CHECK(blocks[count] != NULL);
        memset(blocks[count], 1, size);
        taken += size;
    }
    return count;
}

static void give(memkind_t kind, size_t count)
{
    while (count > 0)
        memkind_free(kind, blocks[--count]);
}

static void pause_for(time_t seconds)
{
    const struct timespec pause = {.tv_sec = seconds};

    nanosleep(&pause, NULL);
}

static size_t count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t count = 0;

    CHECK(dir != NULL);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* -- Each in a process of its own, all at the same time ---------------------------------------- */

static void sleeper_gets_it_back(memkind_t kind)
{
    size_t count = take(kind, 200 * MIB);
    size_t held = fixture_file_space(kind);

    give(kind, count);
    pause_for(DECAY_SECONDS);
    CHECK(fixture_file_space(kind) <= held / 20);
}

/* Large blocks bypass the caches. */
static void sleeper_gets_one_block_back(memkind_t kind)
{
    void *block = memkind_malloc(kind, 100 * MIB);

    CHECK(block != NULL);
    memkind_free(kind, block);
    pause_for(DECAY_SECONDS);
    CHECK(fixture_file_space(kind) <= 5 * MIB);
}

static void file_breathes(memkind_t kind)
{
    size_t least = SIZE_MAX, held = 0;

    for (int i = 0; i < STEPS; i++) {
        for (size_t j = 0; j < LARGE_BLOCKS; j++) {
            blocks[j] = memkind_malloc(kind, MIB);
            CHECK(blocks[j] != NULL);
        }
        held = fixture_file_space(kind);
        give(kind, LARGE_BLOCKS);
        pause_for(STEP_SECONDS);
        size_t now = fixture_file_space(kind);
        least = now < least ? now : least;
    }
    CHECK(least < held - held / 50);
}

struct sleeper {
    memkind_t kind;
    sem_t done;
    sem_t end;
};

static void *free_and_sleep(void *argument)
{
    struct sleeper *sleeper = argument;
    void *own[4000];

    for (size_t i = 0; i < COUNT_OF(own); i++) {
        own[i] = memkind_malloc(sleeper->kind, 32 + i % 2048);
        CHECK(own[i] != NULL);
    }
    for (size_t i = 0; i < COUNT_OF(own); i++)
        memkind_free(sleeper->kind, own[i]);
    sem_post(&sleeper->done);
    sem_wait(&sleeper->end);
    return NULL;
}

/* The caches of sleeping threads are emptied too. */
static void sleeping_threads_keep_nothing(memkind_t kind)
{
    struct sleeper sleeper = {.kind = kind};
    pthread_t threads[SLEEPERS];

    CHECK(sem_init(&sleeper.done, 0, 0) == 0);
    CHECK(sem_init(&sleeper.end, 0, 0) == 0);
    for (size_t i = 0; i < SLEEPERS; i++)
        CHECK(pthread_create(&threads[i], NULL, free_and_sleep, &sleeper) == 0);
    for (size_t i = 0; i < SLEEPERS; i++)
        sem_wait(&sleeper.done);
    pause_for(DECAY_SECONDS);
    CHECK(fixture_file_space(kind) <= 4 * MIB);
    for (size_t i = 0; i < SLEEPERS; i++)
        sem_post(&sleeper.end);
    for (size_t i = 0; i < SLEEPERS; i++)
        pthread_join(threads[i], NULL);
}

/* The idle thread exists while it is needed, and ends afterwards. */
static void thread_comes_and_goes(memkind_t kind)
{
    CHECK(count_threads() == 1);
    for (size_t i = 0; i < 1000; i++)
        memkind_free(kind, memkind_malloc(kind, LITTLE));
    CHECK(count_threads() == 1);
    give(kind, take(kind, 32 * MIB));
    CHECK(count_threads() == 2);
    CHECK(memkind_purge(kind) == MEMKIND_SUCCESS);
    /* The thread ends after some checks without work. The bound only ends a hang. */
    for (int i = 0; i < 60 && count_threads() != 1; i++)
        pause_for(1);
    CHECK(count_threads() == 1);
    give(kind, take(kind, 32 * MIB));
    CHECK(count_threads() == 2);
}

static void child_has_a_thread_of_its_own(memkind_t kind)
{
    give(kind, take(kind, 32 * MIB));
    CHECK(count_threads() == 2);
    pid_t child = fork();
    if (child == 0) {
        bool alone = count_threads() == 1;

        give(kind, take(kind, 32 * MIB));
        _exit(alone && count_threads() == 2 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

static void *end_last(void *kind)
{
    pause_for(1);
    give(kind, take(kind, 32 * MIB));
    return NULL;
}

/*
 * A process ends with its last thread and does not wait for the idle thread. Otherwise the test
 * would not end.
 */
static void main_thread_ends_first(memkind_t kind)
{
    pthread_t thread;

    give(kind, take(kind, 32 * MIB));
    CHECK(pthread_create(&thread, NULL, end_last, kind) == 0);
    pthread_exit(NULL);
}

static void no_thread_is_wanted(memkind_t kind)
{
    give(kind, take(kind, 32 * MIB));
    CHECK(count_threads() == 1);
}

/* -- The test ---------------------------------------------------------------------------------- */

static const struct part {
    const char *name;
    void (*run)(memkind_t kind);
    const char *idle_thread; /* MEMKIND_IDLE_THREAD */
} parts[] = {
    {"a process that sleeps", sleeper_gets_it_back, NULL},
    {"one that frees a single block", sleeper_gets_one_block_back, "1"},
    {"one that frees all every two seconds", file_breathes, NULL},
    {"threads that sleep", sleeping_threads_keep_nothing, NULL},
    {"the thread comes and goes", thread_comes_and_goes, NULL},
    {"a child", child_has_a_thread_of_its_own, NULL},
    {"the main thread ends first", main_thread_ends_first, NULL},
    {"no thread is wanted", no_thread_is_wanted, "0"},
};

static int run_part(const struct part *part)
{
    memkind_t kind = NULL;

    if (part->idle_thread != NULL)
        setenv("MEMKIND_IDLE_THREAD", part->idle_thread, 1);
    if (memkind_create_pmem(fixture_dir, 0, &kind) != MEMKIND_SUCCESS)
        return EXIT_FAILURE;
    part->run(kind);
    return EXIT_SUCCESS;
}

static void test_idle(void **state)
{
    pid_t children[COUNT_OF(parts)];
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        children[i] = 0;
        /*
         * Objects that only the main thread's stack refers to are leaks for the sanitizer once that
         * thread has ended.
         */
        if (FIXTURE_ASAN && parts[i].run == main_thread_ends_first)
            continue;
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(run_part(&parts[i]));
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        int status;

        if (children[i] == 0)
            continue;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        if (status != 0) {
            print_error("failed: %s (status %#x)\n", parts[i].name, (unsigned)status);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {FIXTURE_TEST(test_idle)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
