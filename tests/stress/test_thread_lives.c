/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and kinds that start and end at the same time: kinds created, used and destroyed by any
 * thread; threads that end while a kind is destroyed; destructors of threads that use a kind; a
 * thousand threads at once.
 *
 * STRESS_ROUNDS (200), STRESS_SEED (1).
 */
#include <memkind.h>

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

/*
 * The number of rounds of destructors. The thread sanitizer's own state ends with the last round.
 */
#if defined(__SANITIZE_THREAD__)
#    define ITERATIONS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#    define ITERATIONS PTHREAD_DESTRUCTOR_ITERATIONS
#endif
#define THREADS       8
#define SLOTS         6
#define STEPS_A_ROUND 3 /* of each thread */
#define BLOCKS        16
#define LARGEST       (20 * (size_t)1024)
#define CROWD         1000
#define CROWD_SIZE    ((size_t)1000)
#define CROWD_STACK   ((size_t)256 * 1024)

static void start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    assert_int_equal(pthread_create(thread, NULL, run, argument), 0);
}

/* Returns the thread's result: whether anything was wrong. */
static bool join(pthread_t thread)
{
    void *wrong;

    assert_int_equal(pthread_join(thread, &wrong), 0);
    return wrong != NULL;
}

static size_t allocated_in(memkind_t kind)
{
    size_t allocated = SIZE_MAX;

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated),
                     MEMKIND_SUCCESS);
    return allocated;
}

/* -- Kinds of all threads ---------------------------------------------------------------------- */

/* A kind that any thread uses, and that any thread may replace. */
static struct slot {
    pthread_rwlock_t lock; /* shared: to use the kind; exclusive: to replace it */
    memkind_t kind;
} slots[SLOTS];

struct user {
    pthread_t thread;
    uint64_t random;
};

/* Returns whether something was wrong. The kind's destruction frees a quarter of the blocks. */
static bool use_kind(memkind_t kind, uint64_t *random)
{
    char *blocks[BLOCKS];
    size_t sizes[BLOCKS];
    bool wrong = false;

    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = 1 + pattern_random(random) % LARGEST;
        blocks[i] = memkind_malloc(kind, sizes[i]);
        if (blocks[i] == NULL)
            return true;
        pattern_fill(blocks[i], sizes[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        wrong |= !pattern_holds(blocks[i], sizes[i], pattern_seed(blocks[i], sizes[i]));
        wrong |= memkind_detect_kind(blocks[i]) != kind;
        if (i % 4 != 0)
            memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
    }
    return wrong;
}

static bool replace_kind(struct slot *slot, uint64_t random)
{
    bool wrong = memkind_destroy_kind(slot->kind) != MEMKIND_SUCCESS;

    wrong |= memkind_create_pmem(test_dir(), random % 2 == 0 ? 0 : 64 * MIB, &slot->kind) !=
             MEMKIND_SUCCESS;
    return wrong;
}

static void *use_slots(void *argument)
{
    struct user *user = argument;
    size_t steps = parameter("STRESS_ROUNDS", 200) * STEPS_A_ROUND;
    bool wrong = false;

    for (size_t i = 0; i < steps && !wrong; i++) {
        uint64_t random = pattern_random(&user->random);
        struct slot *slot = &slots[random % SLOTS];

        if (random / SLOTS % 4 == 0) {
            pthread_rwlock_wrlock(&slot->lock);
            wrong |= replace_kind(slot, random >> 32);
        } else {
            pthread_rwlock_rdlock(&slot->lock);
            wrong |= use_kind(slot->kind, &user->random);
        }
        pthread_rwlock_unlock(&slot->lock);
    }
    return wrong ? argument : NULL;
}

static void test_kinds_of_all_threads(void **state)
{
    static struct leftovers before;
    struct user users[THREADS];

    (void)state;
    leftovers_take(&before, NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        assert_int_equal(pthread_rwlock_init(&slots[i].lock, NULL), 0);
        slots[i].kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    }
    for (size_t i = 0; i < THREADS; i++) {
        users[i].random = parameter("STRESS_SEED", 1) << 16 | i;
        start(&users[i].thread, use_slots, &users[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_false(join(users[i].thread));
    for (size_t i = 0; i < SLOTS; i++) {
        assert_int_equal(memkind_destroy_kind(slots[i].kind), MEMKIND_SUCCESS);
        pthread_rwlock_destroy(&slots[i].lock);
    }
    leftovers_check(&before);
}

/* -- The end of threads and of a kind at once -------------------------------------------------- */

struct ending {
    pthread_t thread;
    memkind_t kind;
    pthread_barrier_t *together;
};

/* A thread that ends with blocks of the kind in its cache, while the kind is destroyed. */
static void *end_with_the_kind(void *argument)
{
    struct ending *ending = argument;
    uint64_t random = (uintptr_t)argument;
    bool wrong = use_kind(ending->kind, &random);

    pthread_barrier_wait(ending->together);
    return wrong ? argument : NULL;
}

static void test_threads_end_while_a_kind_does(void **state)
{
    size_t rounds = parameter("STRESS_ROUNDS", 200);
    struct ending endings[THREADS];
    pthread_barrier_t together;

    (void)state;
    assert_int_equal(pthread_barrier_init(&together, NULL, THREADS + 1), 0);
    for (size_t i = 0; i < rounds; i++) {
        memkind_t kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

        for (size_t j = 0; j < THREADS; j++) {
            endings[j] = (struct ending){.kind = kind, .together = &together};
            start(&endings[j].thread, end_with_the_kind, &endings[j]);
        }
        pthread_barrier_wait(&together);
        assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
        for (size_t j = 0; j < THREADS; j++)
            assert_false(join(endings[j].thread));
    }
    pthread_barrier_destroy(&together);
}

/* -- Destructors of threads -------------------------------------------------------------------- */

/*
 * Two keys, one created before the library's keys and one after. Their destructors run before and
 * after the library's, and make the library's run again.
 */
static pthread_key_t early_key;
static pthread_key_t late_key;
static memkind_t destructor_kind;
static atomic_size_t destructors_wrong;
static atomic_size_t destructors_run;

struct value {
    size_t size;
    size_t lives; /* in how many more rounds a destructor sets the value again */
};

static struct value *new_value(size_t lives)
{
    static const size_t sizes[] = {100, 1000, 20000, MIB};
    size_t size = sizes[lives % (sizeof(sizes) / sizeof(sizes[0]))];
    struct value *value = memkind_malloc(destructor_kind, size);

    if (value == NULL) {
        atomic_fetch_add(&destructors_wrong, 1);
        return NULL;
    }
    if (memkind_detect_kind(value) != destructor_kind)
        atomic_fetch_add(&destructors_wrong, 1);
    *value = (struct value){.size = size, .lives = lives};
    pattern_fill(value + 1, size - sizeof(*value));
    return value;
}

static void pass_on(pthread_key_t key, struct value *value)
{
    size_t size = value->size - sizeof(*value);

    atomic_fetch_add(&destructors_run, 1);
    if (!pattern_holds((char *)(value + 1), size, pattern_seed(value + 1, size)))
        atomic_fetch_add(&destructors_wrong, 1);
    if (value->lives > 0)
        pthread_setspecific(key, new_value(value->lives - 1));
    memkind_free(value->lives % 2 == 0 ? destructor_kind : NULL, value);
}

static void end_early(void *value)
{
    pass_on(early_key, value);
}

static void end_late(void *value)
{
    pass_on(late_key, value);
}

static void *leave_values(void *argument)
{
    (void)argument;
    pthread_setspecific(early_key, new_value(ITERATIONS - 1));
    pthread_setspecific(late_key, new_value(ITERATIONS - 1));
    return NULL;
}

static void test_destructors_that_allocate(void **state)
{
    size_t rounds = parameter("STRESS_ROUNDS", 200);
    pthread_t threads[THREADS];

    (void)state;
    destructor_kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    assert_int_equal(pthread_key_create(&late_key, end_late), 0);
    for (size_t i = 0; i < rounds; i++) {
        for (size_t j = 0; j < THREADS; j++)
            start(&threads[j], leave_values, NULL);
        for (size_t j = 0; j < THREADS; j++)
            join(threads[j]);
    }
    assert_int_equal(atomic_load(&destructors_wrong), 0);
    assert_int_equal(atomic_load(&destructors_run), rounds * THREADS * 2 * ITERATIONS);
    assert_int_equal(allocated_in(destructor_kind), 0);
    assert_int_equal(pthread_key_delete(late_key), 0);
    assert_int_equal(memkind_destroy_kind(destructor_kind), MEMKIND_SUCCESS);
}

/* -- A thousand threads ------------------------------------------------------------------------ */

struct one_of_many {
    pthread_t thread;
    memkind_t kind;
    pthread_barrier_t *together;
    char **others; /* where each thread leaves its block for the next one to free */
    size_t number;
};

static void *stand_in_a_crowd(void *argument)
{
    struct one_of_many *one = argument;
    char *block = memkind_malloc(one->kind, CROWD_SIZE);

    if (block != NULL)
        pattern_fill(block, CROWD_SIZE);
    one->others[one->number] = block;
    pthread_barrier_wait(one->together);
    block = one->others[(one->number + 1) % CROWD];
    bool wrong =
        block == NULL || !pattern_holds(block, CROWD_SIZE, pattern_seed(block, CROWD_SIZE));
    memkind_free(one->kind, block);
    return wrong ? argument : NULL;
}

static void test_a_thousand_threads(void **state)
{
    static struct one_of_many crowd[CROWD];
    static char *blocks[CROWD];
    memkind_t kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    pthread_barrier_t together;
    pthread_attr_t small;

    (void)state;
    assert_int_equal(pthread_barrier_init(&together, NULL, CROWD), 0);
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, CROWD_STACK), 0);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct one_of_many){
            .kind = kind, .together = &together, .others = blocks, .number = i};
        assert_int_equal(pthread_create(&crowd[i].thread, &small, stand_in_a_crowd, &crowd[i]), 0);
    }
    for (size_t i = 0; i < CROWD; i++)
        assert_false(join(crowd[i].thread));
    pthread_attr_destroy(&small);
    pthread_barrier_destroy(&together);
    assert_int_equal(allocated_in(kind), 0);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destructors_that_allocate),
        cmocka_unit_test(test_kinds_of_all_threads),
        cmocka_unit_test(test_threads_end_while_a_kind_does),
        cmocka_unit_test(test_a_thousand_threads),
    };

    /* Before the library creates its own keys. */
    if (pthread_key_create(&early_key, end_early) != 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
