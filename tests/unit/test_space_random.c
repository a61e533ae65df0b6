/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations on spaces: a model, the file and the account agree, and threads at the limit
 * neither pass the limit nor are refused for file space that others have ahead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "space/address_map.h"
#include "space/region.h"
#include "space/space.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/page_size.h"
#include "support/space_fixture.h"

#define THREADS      4
#define MODEL_ROUNDS 3000
#define REGIONS      6

/* -- At random --------------------------------------------------------------------------------- */

struct model {
    char *addr;
    size_t pages;
    bool used[8 * CHUNK / 4096];
};

static void model_write(struct model *model, size_t first, size_t count, bool value)
{
    for (size_t i = first; i < first + count; i++) {
        model->used[i] = value;
        if (value)
            model->addr[i * page] = (char)(i % 100 + 1);
    }
}

/* Returns how many pages from `first` on, up to `wanted`, are in the same state. */
static size_t model_run(const struct model *model, size_t first, size_t wanted)
{
    size_t count = 1;

    while (count < wanted && first + count < model->pages &&
           model->used[first + count] == model->used[first])
        count++;
    return count;
}

static void model_step(struct model *model, unsigned *seed)
{
    size_t first = (size_t)rand_r(seed) % model->pages;
    size_t count = model_run(model, first, 1 + (size_t)rand_r(seed) % 300);
    char *addr = model->addr + first * page;

    if (model->used[first]) {
        for (size_t i = first; i < first + count; i++)
            assert_int_equal(model->addr[i * page], (char)(i % 100 + 1));
        if (space_decommit(space, addr, count * page) == 0)
            model_write(model, first, count, false);
    } else if (space_commit(space, addr, count * page) == 0) {
        for (size_t i = first; i < first + count; i++)
            assert_int_equal(model->addr[i * page], 0);
        model_write(model, first, count, true);
    }
}

static size_t model_used(const struct model *models)
{
    size_t used = 0;

    for (size_t i = 0; i < REGIONS; i++)
        for (size_t at = 0; at < models[i].pages; at++)
            used += models[i].used[at];
    return used * page;
}

static void random_operations_agree_with_the_file(void **state)
{
    static struct model models[REGIONS];
    unsigned seed = SEED;
    bool exactly = on_tmpfs();

    (void)state;
    memset(models, 0, sizeof(models));
    space->max_size = 16 * CHUNK;
    for (size_t i = 0; i < REGIONS; i++) {
        models[i].pages = 1 + (size_t)rand_r(&seed) % (8 * CHUNK / page);
        models[i].addr = reserve(models[i].pages * page, CHUNK);
    }
    for (int i = 0; i < MODEL_ROUNDS; i++) {
        if (rand_r(&seed) % 100 == 0)
            space->exact = rand_r(&seed) % 2 == 0;
        if (rand_r(&seed) % 200 == 0)
            space_trim(space);
        if (rand_r(&seed) % 200 == 0)
            space->first_step = CHUNK >> rand_r(&seed) % (page > CHUNK >> 8 ? 6 : 9);
        /* Some calls of each sort fail. */
        fault_set(&allocate_fault, ENOSPC, rand_r(&seed) % 16 == 0);
        fault_set(&punch_fault, EIO, allocate_fault.times == 0 && rand_r(&seed) % 16 == 0);
        model_step(&models[(size_t)rand_r(&seed) % REGIONS], &seed);
        assert_true(space_held(space) <= space->max_size);
        assert_int_equal(space_held(space) - space->ahead, model_used(models));
        if (exactly)
            assert_int_equal(file_space_held(space->fd), space_held(space));
    }
    fault_set(&punch_fault, 0, 0);
    space_trim(space);
    assert_int_equal(space_held(space), model_used(models));
}

/* -- Threads ----------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    unsigned seed;
    char *addr;
    size_t failures;
};

static void run_workers(struct worker *workers, void *(*run)(void *), size_t size)
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.seed = SEED + i, .addr = reserve(size, CHUNK)};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void *commit_and_decommit(void *arg)
{
    struct worker *worker = arg;
    bool used[4] = {false};

    for (int i = 0; i < ROUNDS; i++) {
        size_t at = (size_t)rand_r(&worker->seed) % 4;
        char *addr = worker->addr + at * CHUNK;

        if (used[at])
            used[at] = space_decommit(space, addr, CHUNK) != 0;
        else
            used[at] = space_commit(space, addr, CHUNK) == 0;
        worker->failures += !used[at];
        if (space_held(space) > space->max_size)
            limit_was_passed = true;
    }
    return NULL;
}

static void threads_never_pass_the_limit(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    space->max_size = 5 * CHUNK;
    run_workers(workers, commit_and_decommit, 4 * CHUNK);
    assert_false(limit_was_passed);
    assert_int_equal(space_held(space), store_held);
    assert_int_equal(space->ahead, 0);
}

static void *reserve_commit_return(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < ROUNDS / 10; i++) {
        size_t size = (1 + (size_t)rand_r(&worker->seed) % 4) * CHUNK;
        void *addr;

        if (space_reserve(space, size, CHUNK, &addr) != 0) {
            worker->failures++;
            continue;
        }
        if (space_commit(space, addr, page) == 0) {
            memset(addr, 1, page);
            worker->failures += space_decommit(space, addr, page) != 0;
        }
        space_trim(space);
        space_return(space, addr);
    }
    return NULL;
}

static void threads_share_the_file(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    space->max_size = 16 * CHUNK;
    run_workers(workers, reserve_commit_return, CHUNK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].failures, 0);
    assert_int_equal(space_held(space), 0);
    assert_int_equal(file_space_held(space->fd), 0);
}

/* One page of each thread is far below the limit, whatever other threads have ahead. */
static void *commit_one_page(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < ROUNDS; i++)
        if (space_commit(space, worker->addr, page) != 0 ||
            space_decommit(space, worker->addr, page) != 0)
            worker->failures++;
    return NULL;
}

static void threads_are_not_refused_for_what_is_ahead(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    space->max_size = 2 * CHUNK;
    run_workers(workers, commit_one_page, CHUNK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].failures, 0);
}

static char *wanted;               /* by the second thread */
static pthread_mutex_t *held_lock; /* of the region that is being trimmed */
static pthread_t second;
static int second_err;

static void *commit_while_another_trims(void *arg)
{
    (void)arg;
    awaited_lock = held_lock;
    second_err = space_commit(space, wanted, page);
    if (awaited_lock != NULL)
        sem_post(&waiting);
    return NULL;
}

/*
 * Called while pages that are ahead are being released: another thread reaches the limit too, and
 * waits for this one.
 */
static void start_second(void)
{
    during_release = NULL;
    assert_int_equal(pthread_create(&second, NULL, commit_while_another_trims, NULL), 0);
    while (sem_wait(&waiting) != 0)
        continue;
}

static void space_that_another_thread_trims_is_used(void **state)
{
    char *ahead = reserve(CHUNK, CHUNK);
    char *other = reserve(CHUNK, CHUNK);

    (void)state;
    wanted = reserve(CHUNK, CHUNK);
    for (struct region *region = space->regions; region != NULL; region = region->next)
        if (region->base == ahead)
            held_lock = &region->lock;
    assert_int_equal(sem_init(&waiting, 0, 0), 0);
    space->max_size = CHUNK;
    commit(ahead, page);
    during_release = start_second;
    commit(other, page);
    assert_int_equal(pthread_join(second, NULL), 0);
    sem_destroy(&waiting);
    assert_int_equal(second_err, 0);
}

static int run(void)
{
#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)
#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown)
    const struct CMUnitTest tests[] = {
        REAL(random_operations_agree_with_the_file),
        FAKE(threads_never_pass_the_limit),
        REAL(threads_share_the_file),
        FAKE(threads_are_not_refused_for_what_is_ahead),
        FAKE(space_that_another_thread_trims_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    /* The address map's tables are mapped once in a process. */
    return address_map_open(NULL, 0) != 0 ? 1 : on_each_page_size(run);
}
