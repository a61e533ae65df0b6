/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about the order of calls: lives of kinds, of threads and of the process. */
#include "behaviour.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *yes_no(bool yes)
{
    return yes ? "yes" : "no";
}

static char *filled(memkind_t kind, size_t size, int byte)
{
    return memset(memkind_malloc(kind, size), byte, size);
}

/* -- Kinds ------------------------------------------------------------------------------------- */

static void last_first(void)
{
    memkind_t first = make_kind(0);
    memkind_t second = make_kind(32 * MIB);
    memkind_t third = make_kind(0);
    const char *one = filled(first, KIB, 1);
    const char *two = filled(second, KIB, 2);

    (void)filled(third, KIB, 3);
    say_status(memkind_destroy_kind(third));
    say("%d %d", one[KIB - 1], two[KIB - 1]);
    say_status(memkind_destroy_kind(second));
    say("%d", one[KIB - 1]);
    say_block(memkind_malloc(first, MIB));
    say_status(memkind_destroy_kind(first));
}

static void kinds_in_turn(void)
{
    int last;
    unsigned before = count_descriptors(&last);
    size_t failures = 0;

    for (int i = 0; i < 300; i++) {
        memkind_t kind = make_kind(16 * MIB);

        failures += memkind_malloc(kind, KIB) == NULL;
        failures += memkind_destroy_kind(kind) != MEMKIND_SUCCESS;
    }
    say("%zu failures", failures);
    say("%d descriptors left", (int)(count_descriptors(&last) - before));
}

static void kinds_at_once(void)
{
    enum { KINDS = 100 };
    memkind_t kinds[KINDS];
    size_t failures = 0;

    for (int i = 0; i < KINDS; i++)
        *(char *)memkind_malloc(kinds[i] = make_kind(16 * MIB), KIB) = (char)i;
    for (int i = 0; i < KINDS; i++)
        failures += memkind_destroy_kind(kinds[i * 37 % KINDS]) != MEMKIND_SUCCESS;
    say("%zu failures", failures);
}

static void kinds_of_the_library(void)
{
    const memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, MEMKIND_INTERLEAVE,
                               MEMKIND_HIGHEST_CAPACITY};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        void *block = memkind_malloc(kinds[i], SMALL);

        say("%s", yes_no(memkind_detect_kind(block) == kinds[i]));
        block = memkind_realloc(NULL, block, 10 * KIB);
        say("%s", yes_no(memkind_detect_kind(block) == kinds[i]));
        say("%s", yes_no(memkind_malloc_usable_size(NULL, block) >= 10 * KIB));
        void *moved = memkind_defrag_reallocate(NULL, block);
        memkind_free(NULL, moved != NULL ? moved : block);
    }
}

static void config_is_borrowed_until_create(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = UNTOUCHED;

    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, 20 * MIB);
    say_status(memkind_create_pmem_with_config(config, &kind));
    memkind_config_set_size(config, 0);
    memkind_config_set_path(config, "/nonexistent");
    say_status(memkind_create_pmem_with_config(config, &kind));
    memkind_config_delete(config);
    say("%zd", memkind_get_capacity(kind));
    say_block(memkind_malloc(kind, SMALL));
}

/* -- Threads ----------------------------------------------------------------------------------- */

static memkind_t shared;
static pthread_barrier_t barrier;

static void in_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    pthread_create(&thread, NULL, run, arg);
    pthread_join(thread, NULL);
}

static void *use_twice(void *unused)
{
    memkind_free(shared, memkind_malloc(shared, SMALL));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    void *block = memkind_malloc(shared, SMALL);
    say("%s", yes_no(block != NULL && memkind_detect_kind(block) == shared));
    memkind_free(shared, block);
    return unused;
}

/* The thread has blocks of the destroyed kind in its cache. */
static void kind_made_anew(void)
{
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    shared = make_kind(0);
    pthread_create(&thread, NULL, use_twice, NULL);
    pthread_barrier_wait(&barrier);
    say_status(memkind_destroy_kind(shared));
    shared = make_kind(0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    say_status(memkind_destroy_kind(shared));
}

static void *make_shared(void *unused)
{
    shared = make_kind(0);
    return unused;
}

static void *destroy_shared(void *unused)
{
    say_status(memkind_destroy_kind(shared));
    return unused;
}

static void kind_of_ended_thread(void)
{
    in_thread(make_shared, NULL);
    say_block(memkind_malloc(shared, SMALL));
    in_thread(destroy_shared, NULL);
}

static pthread_key_t key;

static void free_at_end(void *block)
{
    memkind_free(shared, block);
    memkind_free(NULL, memkind_malloc(shared, SMALL));
}

static void *set_key(void *unused)
{
    pthread_setspecific(key, memkind_malloc(shared, SMALL));
    return unused;
}

static void destructor_of_thread(void)
{
    size_t value = 1;

    shared = make_kind(0);
    pthread_key_create(&key, free_at_end);
    for (int i = 0; i < 3; i++)
        in_thread(set_key, NULL);
    say("%d", memkind_update_cached_stats());
    say("%d", memkind_get_stat(shared, MEMKIND_STAT_TYPE_ALLOCATED, &value));
    say("%s", yes_no(value < 16 * KIB)); /* memkind's caches keep some blocks */
}

static void *churn(void *unused)
{
    void *blocks[100];

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 100; i++)
            blocks[i] = memkind_malloc(shared, 1 + 10 * i);
        for (size_t i = 0; i < 100; i++)
            memkind_free(shared, blocks[i]);
    }
    return unused;
}

static void kinds_of_threads(void)
{
    pthread_t threads[4];

    for (int round = 0; round < 10; round++) {
        shared = make_kind(0);
        for (size_t i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, churn, NULL);
        for (size_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        if (memkind_destroy_kind(shared) != MEMKIND_SUCCESS)
            say("not destroyed");
    }
    say("done");
}

/* -- The process ------------------------------------------------------------------------------- */

static volatile sig_atomic_t got;

static void allocate_in_handler(int number)
{
    (void)number;
    got += memkind_malloc(shared, SMALL) != NULL;
}

static void signal_handler(void)
{
    shared = make_kind(0);
    signal(SIGUSR1, allocate_in_handler);
    for (int i = 0; i < 10; i++)
        raise(SIGUSR1);
    say("%d blocks", (int)got);
}

static void use_at_exit(void)
{
    void *block = memkind_malloc(shared, SMALL);

    memkind_free(shared, block);
    _exit(block != NULL && memkind_malloc(MEMKIND_DEFAULT, SMALL) != NULL &&
                  memkind_destroy_kind(shared) == MEMKIND_SUCCESS
              ? 7
              : 8);
}

static void exit_handler(void)
{
    int status = 0;

    shared = make_kind(0);
    if (fork() == 0) {
        atexit(use_at_exit);
        exit(EXIT_FAILURE);
    }
    wait(&status);
    say("%d", WEXITSTATUS(status));
}

static bool works_as_rank(void)
{
    memkind_t kind = NULL;

    if (memkind_create_pmem(dir, 0, &kind) != MEMKIND_SUCCESS)
        return false;
    const char *block = filled(kind, MIB, 5);
    return block[MIB - 1] == 5;
}

/* Processes that are killed leave nothing. */
static void ranks(void)
{
    int killed = 0;

    for (int rank = 0; rank < 4; rank++)
        if (fork() == 0)
            _exit(works_as_rank() ? raise(SIGKILL) : 1);
    for (int status; wait(&status) > 0;)
        killed += WIFSIGNALED(status);
    say("%d killed", killed);
    say("%d", rmdir(dir)); /* behaviour.sh gives each case the same directory */
    say("%d", mkdir(dir, 0700));
}

static void locked_memory(void)
{
    (void)mlockall(MCL_CURRENT | MCL_FUTURE);
    memkind_t kind = make_kind(32 * MIB);

    say_block(memkind_malloc(kind, MIB));
    say_status(memkind_destroy_kind(kind));
}

/* -- Statistics -------------------------------------------------------------------------------- */

static size_t statistic(memkind_t kind, memkind_stat_type type)
{
    size_t value = 0;

    memkind_get_stat(kind, type, &value);
    return value;
}

static void statistics_are_cached(void)
{
    memkind_t kind = make_kind(0);

    void *block = memkind_malloc(kind, MIB);
    memkind_update_cached_stats();
    memkind_free(kind, block);
    say("%zu", statistic(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    memkind_update_cached_stats();
    say("%zu", statistic(kind, MEMKIND_STAT_TYPE_ALLOCATED));
}

static void statistics_in_order(void)
{
    const memkind_t kinds[] = {make_kind(0), MEMKIND_DEFAULT, MEMKIND_REGULAR, NULL};

    (void)filled(kinds[0], 5 * MIB, 1);
    (void)filled(MEMKIND_DEFAULT, KIB, 1);
    (void)filled(MEMKIND_REGULAR, MIB, 1);
    memkind_update_cached_stats();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t allocated = statistic(kinds[i], MEMKIND_STAT_TYPE_ALLOCATED);
        size_t active = statistic(kinds[i], MEMKIND_STAT_TYPE_ACTIVE);

        say("%s", yes_no(allocated <= active));
        say("%s", yes_no(active <= statistic(kinds[i], MEMKIND_STAT_TYPE_RESIDENT)));
        say("%zu", active % (4 * KIB));
    }
}

const struct question lives_questions[] = {
    {"last-first", last_first, "SUCCESS, 1 2, SUCCESS, 1, a block, SUCCESS"},
    {"kinds-in-turn", kinds_in_turn, "0 failures, 0 descriptors left"},
    {"kinds-at-once", kinds_at_once, "0 failures"},
    {"kinds-of-the-library", kinds_of_the_library,
     "yes, yes, yes, yes, yes, yes, yes, yes, yes, yes, yes, yes"},
    {"config-is-borrowed-until-create", config_is_borrowed_until_create,
     "SUCCESS, INVALID, 20971520, a block"},
    {"kind-made-anew", kind_made_anew, "SUCCESS, yes, SUCCESS"},
    {"kind-of-ended-thread", kind_of_ended_thread, "a block, SUCCESS"},
    {"destructor-of-thread", destructor_of_thread, "0, 0, yes"},
    {"kinds-of-threads", kinds_of_threads, "done"},
    {"signal-handler", signal_handler, "10 blocks"},
    {"exit-handler", exit_handler, "7"},
    {"ranks", ranks, "4 killed, 0, 0"},
    {"locked-memory", locked_memory, "a block, SUCCESS"},
    {"statistics-are-cached", statistics_are_cached, "1048576, 0"},
    {"statistics-in-order", statistics_in_order,
     "yes, yes, 0, yes, yes, 0, yes, yes, 0, yes, yes, 0"},
    {NULL, NULL, NULL},
};
