/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a thread's destructor that allocated in a late round got blocks of another heap, a thread
 * that first used the library in its last round made the next fork hang, and each such thread left
 * 24 kB.
 */
#include "api/fixture.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

/* The thread sanitizer's own state ends with the last round. */
#define ROUNDS  (PTHREAD_DESTRUCTOR_ITERATIONS - (FIXTURE_TSAN ? 1 : 0))
#define THREADS 1000
#define WARM_UP 64                          /* threads, so that all arenas exist */
#define SPARED  (SANITIZED ? 8 * MIB : MIB) /* of growth */
#define LATE_KEYS \
    40 /* created after the library's: below and above 32, where libc's tables differ */
#define HANG_SECONDS 300

static memkind_t kind;

/* One key created before the library's constructors run, and others afterwards. */
static pthread_key_t keys[1 + LATE_KEYS];

struct plan {
    int first;  /* the round in which the destructor first uses the library; 0: the thread itself
                   does */
    int rounds; /* so far */
    pthread_key_t key;
    void *block;
    bool is_brief;
};

static atomic_uint wrong;

static void check(bool condition)
{
    if (!condition)
        atomic_fetch_add(&wrong, 1);
}

static void check_block(void *block, memkind_t owner, size_t size, size_t alignment)
{
    check(block != NULL && memkind_detect_kind(block) == owner);
    check((uintptr_t)block % alignment == 0);
    fixture_fill(block, size, 1);
    check(fixture_is_filled(block, size, 1));
    memkind_free(size % 2 == 0 ? owner : NULL, block);
}

static void use_all(void)
{
    static const size_t sizes[] = {1, 8, 9, 16, 100, 5000, 40 * KIB, 3 * MIB};
    void *aligned = NULL;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        check_block(memkind_malloc(kind, sizes[i]), kind, sizes[i], 8);
        char *zeros = memkind_calloc(kind, 1, sizes[i]);
        for (size_t j = 0; j < sizes[i] && zeros != NULL; j += sizes[i] / 8 + 1)
            check(zeros[j] == 0);
        check_block(memkind_realloc(kind, zeros, 2 * sizes[i]), kind, 2 * sizes[i], 8);
        check(memkind_posix_memalign(kind, &aligned, 8 * KIB, sizes[i]) == 0);
        check_block(aligned, kind, sizes[i], 8 * KIB);
        check(memkind_posix_memalign(kind, &aligned, 16, sizes[i]) == 0);
        check_block(aligned, kind, sizes[i], 16);
        check_block(memkind_malloc(MEMKIND_REGULAR, sizes[i]), MEMKIND_REGULAR, sizes[i], 8);
        check_block(memkind_malloc(MEMKIND_DEFAULT, sizes[i]), MEMKIND_DEFAULT, sizes[i], 8);
    }
}

static void use(struct plan *plan)
{
    void *old = plan->block;

    plan->block = memkind_malloc(kind, KIB);
    check(memkind_detect_kind(plan->block) == kind);
    memkind_free(kind, old);
    memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, KIB));
    if (!plan->is_brief)
        use_all();
}

static void end(void *value)
{
    struct plan *plan = value;

    if (++plan->rounds >= plan->first)
        use(plan);
    if (plan->rounds < ROUNDS)
        pthread_setspecific(plan->key, plan);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
static void make_first_key(void)
{
    (void)pthread_key_create(&keys[0], end);
}

__attribute__((section(".preinit_array"), used)) static void (*before_all)(void) = make_first_key;
#endif

static void *run(void *value)
{
    struct plan *plan = value;

    pthread_setspecific(plan->key, plan);
    if (plan->first == 0)
        use(plan);
    return NULL;
}

static void run_thread(struct plan plan)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, &plan), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(plan.rounds, ROUNDS);
    assert_ptr_equal(memkind_detect_kind(plan.block), kind);
    memkind_free(kind, plan.block);
}

/* In the child too, where the other threads' state is a copy of the parent's. */
static void fork_and_use(void)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        use_all();
        _exit(atomic_load(&wrong) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void each_round_is_as_good_as_the_first(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(keys); k += LATE_KEYS / 2)
        for (int first = 0; first <= ROUNDS; first++) {
            run_thread((struct plan){.first = first, .key = keys[k]});
            fork_and_use();
        }
    assert_int_equal(atomic_load(&wrong), 0);
}

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* After so many threads, memory, maps and counters are as before. */
static void check_nothing_grows(int first)
{
    struct plan plan = {.first = first, .key = keys[LATE_KEYS], .is_brief = true};
    size_t allocated, allocated_before;

    for (int i = 0; i < WARM_UP; i++)
        run_thread(plan);
    size_t maps = count_maps();
    size_t bytes = resident();
    assert_int_equal(memkind_update_cached_stats(), 0);
    assert_int_equal(memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &allocated_before), 0);
    for (int i = 0; i < THREADS; i++)
        run_thread(plan);
    assert_int_equal(memkind_update_cached_stats(), 0);
    assert_int_equal(memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &allocated), 0);
    assert_in_range(allocated, 0, allocated_before + 64 * KIB);
    assert_in_range(count_maps(), 0, maps + 4);
    assert_in_range(resident(), 0, bytes + SPARED);
}

static void threads_leave_nothing(void **state)
{
    (void)state;
    check_nothing_grows(ROUNDS);
    check_nothing_grows(1);
    fork_and_use();
    assert_int_equal(atomic_load(&wrong), 0);
}

static int setup(void **state)
{
    int err = fixture_setup(state);

    kind = fixture_pmem(0);
    alarm(HANG_SECONDS);
    return err;
}

static int teardown(void **state)
{
    alarm(0);
    fixture_destroy(kind);
    return fixture_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_round_is_as_good_as_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_leave_nothing, setup, teardown),
    };

    for (size_t i = SANITIZED ? 0 : 1; i < COUNT_OF(keys); i++)
        if (pthread_key_create(&keys[i], end) != 0)
            return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
