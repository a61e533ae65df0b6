/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of arena sets: which thread gets which arena, how heaps share the process's arenas, and
 * failures.
 */
/* WRAP: jemalloc_ctl_arena_limit jemalloc_ctl_arena_create jemalloc_ctl_arena_destroy */
/* WRAP: jemalloc_ctl_arena_set_decay jemalloc_ctl_arena_purge malloc calloc free */
/* WRAP: pthread_mutex_init */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "heap/arena_set.h"
#include "heap/metadata_hooks.h"
#include "support/faults.h"

#define HEAPS       513u            /* heaps, each of which must be able to get an arena */
#define SPARE       10u             /* arenas beyond one for each heap */
#define LIMIT       (HEAPS + SPARE) /* jemalloc's limit of arenas */
#define ONE_SET     (1 + SPARE)     /* arenas of a set while it is the only one */
#define FIRST_ARENA 100u            /* index of the first arena */
#define ARENAS      (FIRST_ARENA + 8192u)
#define SLOTS       8u
#define MANY_SLOTS  64u
#define THREADS     16u
#define DECAY_MS    ((ssize_t)123)
#define SOME_ERRNO  1234
#define MEETINGS    32u /* contentions after which more slots are used */

static struct arena_set set;
static extent_hooks_t hooks;
static pthread_mutex_t fakes_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned next_arena;
static unsigned alive;
static bool is_alive[ARENAS];
static ssize_t decay_of[ARENAS];
static unsigned purges_of[ARENAS];
static unsigned decay_fails_for; /* arena; 0: none */
static size_t allocated;         /* live allocations */
static bool counting;
static struct fault create_fault;
static struct fault decay_fault;
static struct fault malloc_fault;
static struct fault mutex_fault;

unsigned __wrap_jemalloc_ctl_arena_limit(void);
int __wrap_jemalloc_ctl_arena_create(extent_hooks_t *for_blocks, extent_hooks_t *for_metadata,
                                     unsigned *arena);
void __wrap_jemalloc_ctl_arena_destroy(unsigned arena);
int __wrap_jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms);
void __wrap_jemalloc_ctl_arena_purge(unsigned arena);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __real_free(void *ptr);
void __wrap_free(void *ptr);
int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);

unsigned __wrap_jemalloc_ctl_arena_limit(void)
{
    return LIMIT;
}

int __wrap_jemalloc_ctl_arena_create(extent_hooks_t *for_blocks, extent_hooks_t *for_metadata,
                                     unsigned *arena)
{
    pthread_mutex_lock(&fakes_lock);
    bool fails = fault_hits(&create_fault);
    if (!fails) {
        *arena = next_arena++;
        alive++;
        is_alive[*arena] = true;
    }
    pthread_mutex_unlock(&fakes_lock);
    assert_ptr_equal(for_blocks, &hooks);
    assert_ptr_equal(for_metadata, &metadata_hooks);
    return fails ? -create_fault.error : 0;
}

void __wrap_jemalloc_ctl_arena_destroy(unsigned arena)
{
    assert_true(is_alive[arena]);
    is_alive[arena] = false;
    alive--;
}

int __wrap_jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms)
{
    assert_true(is_alive[arena]);
    if (decay_fails_for == arena || fault_hits(&decay_fault))
        return -EFAULT;
    decay_of[arena] = ms;
    return 0;
}

void __wrap_jemalloc_ctl_arena_purge(unsigned arena)
{
    assert_true(is_alive[arena]);
    purges_of[arena]++;
}

void *__wrap_malloc(size_t size)
{
    if (malloc_fault.times > 0 && fault_hits(&malloc_fault))
        return NULL;
    allocated += counting;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (malloc_fault.times > 0 && fault_hits(&malloc_fault))
        return NULL;
    allocated += counting;
    return __real_calloc(count, size);
}

void __wrap_free(void *ptr)
{
    allocated -= counting && ptr != NULL;
    __real_free(ptr);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
    if (mutex_fault.times > 0 && fault_hits(&mutex_fault))
        return mutex_fault.error;
    return __real_pthread_mutex_init(lock, attributes);
}

static void reset(void)
{
    create_fault = decay_fault = malloc_fault = mutex_fault = (struct fault){0};
    decay_fails_for = 0;
    next_arena = FIRST_ARENA;
    alive = 0;
    allocated = 0;
    counting = false;
    memset(is_alive, 0, sizeof(is_alive));
    memset(decay_of, 0, sizeof(decay_of));
    memset(purges_of, 0, sizeof(purges_of));
    arena_set_thread_number = 1;
}

static int setup_new(void **state)
{
    (void)state;
    reset();
    return arena_set_init(&set, &hooks, SLOTS, DECAY_MS);
}

/* As if threads had contended in all slots. */
static void use_all_slots(struct arena_set *of)
{
    atomic_store(&of->mask, of->limit);
}

static int setup(void **state)
{
    int err = setup_new(state);

    use_all_slots(&set);
    return err;
}

static int teardown(void **state)
{
    (void)state;
    arena_set_destroy(&set);
    assert_int_equal(alive, 0);
    return 0;
}

static int setup_nothing(void **state)
{
    (void)state;
    reset();
    return 0;
}

static unsigned current_of(struct arena_set *of, unsigned thread_number)
{
    arena_set_thread_number = thread_number;
    unsigned arena = arena_set_current(of);
    arena_set_thread_number = 1;
    return arena;
}

/* Returns how many arenas a set has after a request of every slot. */
static unsigned grow(struct arena_set *of)
{
    use_all_slots(of);
    for (unsigned number = 1; number <= of->mask + 1; number++)
        current_of(of, number);
    return arena_set_count(of);
}

/* -- Threads and slots ------------------------------------------------------------------------- */

static void new_set_has_one_arena(void **state)
{
    (void)state;
    assert_int_equal(arena_set_count(&set), 1);
    assert_int_equal(set.mask, 0);
    assert_int_equal(set.limit, SLOTS - 1);
    assert_int_equal(set.slots[0], FIRST_ARENA);
    for (unsigned i = 1; i < SLOTS; i++)
        assert_int_equal(set.slots[i], ARENA_SET_EMPTY);
    assert_int_equal(decay_of[FIRST_ARENA], DECAY_MS);
}

static void one_thread_has_one_arena(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLOTS; i++)
        assert_int_equal(arena_set_current(&set), FIRST_ARENA);
    assert_int_equal(arena_set_count(&set), 1);
}

static void threads_spread_evenly(void **state)
{
    unsigned threads_of[SLOTS] = {0};

    (void)state;
    for (unsigned number = 1; number <= 3 * SLOTS; number++)
        threads_of[current_of(&set, number) - FIRST_ARENA]++;
    assert_int_equal(arena_set_count(&set), SLOTS);
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_int_equal(threads_of[i], 3);
        assert_int_equal(decay_of[FIRST_ARENA + i], DECAY_MS);
    }
}

static void thread_keeps_its_arena(void **state)
{
    unsigned arenas[SLOTS];

    (void)state;
    for (unsigned i = 0; i < SLOTS; i++)
        arenas[i] = current_of(&set, SLOTS - i);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_int_equal(current_of(&set, SLOTS - i), arenas[i]);
}

static void *number_of_thread(void *number)
{
    *(unsigned *)number = arena_set_thread_number;
    arena_set_current(&set);
    assert_int_not_equal(arena_set_thread_number, 0);
    if (*(unsigned *)number == 0)
        *(unsigned *)number = arena_set_thread_number;
    return NULL;
}

static void threads_are_numbered_one_by_one(void **state)
{
    unsigned numbers[3];
    pthread_t thread;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, number_of_thread, &numbers[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(numbers[1], numbers[0] + 1);
    assert_int_equal(numbers[2], numbers[1] + 1);
}

static pthread_barrier_t barrier;

static void *fill_a_slot(void *number)
{
    arena_set_thread_number = *(unsigned *)number;
    pthread_barrier_wait(&barrier);
    *(unsigned *)number = arena_set_current(&set);
    return NULL;
}

static void threads_at_once_fill_each_slot_once(void **state)
{
    pthread_t threads[THREADS];
    unsigned arenas[THREADS];

    (void)state;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        arenas[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, fill_a_slot, &arenas[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    assert_int_equal(arena_set_count(&set), SLOTS);
    assert_int_equal(alive, SLOTS);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(arenas[i], set.slots[i % SLOTS]);
        assert_true(arena_set_has(&set, arenas[i]));
    }
}

static void limit_lowers_the_slots(void **state)
{
    (void)state;
    arena_set_limit(&set, 2 * SLOTS);
    assert_int_equal(set.mask, SLOTS - 1);
    arena_set_limit(&set, 2);
    assert_int_equal(grow(&set), 2);
    assert_int_equal(current_of(&set, 3), FIRST_ARENA);
    arena_set_limit(&set, 1);
    assert_int_equal(current_of(&set, 2), FIRST_ARENA);
}

static void set_knows_its_arenas(void **state)
{
    (void)state;
    grow(&set);
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_int_equal(arena_set_get(&set, i), FIRST_ARENA + i);
        assert_true(arena_set_has(&set, FIRST_ARENA + i));
    }
    assert_false(arena_set_has(&set, FIRST_ARENA - 1));
    assert_false(arena_set_has(&set, FIRST_ARENA + SLOTS));
    assert_false(arena_set_has(&set, ARENA_SET_EMPTY));
}

/* -- Slots in use ------------------------------------------------------------------------------ */

/* Threads come to a slot and leave it. meet: thread 1 is in the slot already. */
static void come(unsigned times, bool meet)
{
    struct arena_slot *first = NULL, *use;

    arena_set_thread_number = 1;
    if (meet)
        arena_set_enter(&set, &first);
    for (unsigned i = 0; i < times; i++) {
        arena_set_enter(&set, &use);
        arena_set_leave(use);
    }
    if (meet)
        arena_set_leave(first);
}

static void threads_that_take_turns_share_an_arena(void **state)
{
    struct arena_slot *use;

    (void)state;
    for (unsigned number = 1; number <= 1000; number++) {
        arena_set_thread_number = number;
        assert_int_equal(arena_set_enter(&set, &use), FIRST_ARENA);
        arena_set_leave(use);
    }
    assert_int_equal(arena_set_count(&set), 1);
}

static void threads_that_meet_get_more_arenas(void **state)
{
    (void)state;
    for (unsigned slots = 2; slots <= SLOTS; slots *= 2) {
        come(MEETINGS - 1, true);
        assert_int_equal(set.mask, slots / 2 - 1);
        come(1, true);
        assert_int_equal(set.mask, slots - 1);
        assert_int_equal(set.uses[0].state & ARENA_SET_INSIDE, 0);
    }
    /* No more slots can be used, so contentions are not counted any longer. */
    unsigned long seen = set.uses[0].state;
    come(1000, true);
    assert_int_equal(set.mask, SLOTS - 1);
    assert_int_equal(set.uses[0].state, seen);
    assert_int_equal(grow(&set), SLOTS);
}

static void threads_that_seldom_meet_share_an_arena(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        come(1, true);
        come(20, false);
    }
    assert_int_equal(set.mask, 0);
}

static void child_forgets_who_was_inside(void **state)
{
    struct arena_slot *use;

    (void)state;
    arena_set_thread_number = 1;
    arena_set_enter(&set, &use);
    arena_set_adopt(&set);
    come(1000, false);
    assert_int_equal(set.mask, 0);
}

/* -- Sharing ----------------------------------------------------------------------------------- */

static void slot_without_an_arena_shares_one_for_good(void **state)
{
    (void)state;
    current_of(&set, 2);
    fault_set(&create_fault, EAGAIN, FAULT_ALWAYS);
    errno = SOME_ERRNO;
    for (int i = 0; i < 3; i++)
        for (unsigned number = 1; number <= SLOTS; number++)
            assert_true(arena_set_has(&set, current_of(&set, number)));
    assert_int_equal(errno, SOME_ERRNO);
    assert_int_equal(create_fault.calls, SLOTS - 2);
    assert_int_equal(arena_set_count(&set), 2);
    /* The threads do not all share one arena. */
    assert_int_not_equal(current_of(&set, SLOTS), current_of(&set, SLOTS - 1));
}

static void arena_whose_decay_cannot_be_set_is_given_up(void **state)
{
    (void)state;
    fault_set(&decay_fault, EFAULT, 1);
    assert_int_equal(current_of(&set, 2), FIRST_ARENA);
    assert_int_equal(alive, 1);
    assert_int_equal(arena_set_count(&set), 1);
}

static void each_heap_can_count_on_one_arena(void **state)
{
    static struct arena_set others[HEAPS];

    (void)state;
    assert_int_equal(arena_set_init(&set, &hooks, MANY_SLOTS, DECAY_MS), 0);
    assert_int_equal(grow(&set), ONE_SET);
    for (unsigned i = 0; i < HEAPS - 1; i++) {
        assert_int_equal(arena_set_init(&others[i], &hooks, SLOTS, DECAY_MS), 0);
        assert_int_equal(grow(&others[i]), 1);
    }
    assert_int_equal(alive, LIMIT);
    for (unsigned i = 0; i < HEAPS - 1; i++)
        arena_set_destroy(&others[i]);
    arena_set_destroy(&set);
    assert_int_equal(alive, 0);
}

static void arenas_of_a_set_that_ends_can_be_had_again(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(arena_set_init(&set, &hooks, MANY_SLOTS, DECAY_MS), 0);
        assert_int_equal(grow(&set), ONE_SET);
        arena_set_destroy(&set);
    }
}

/* -- Failures ---------------------------------------------------------------------------------- */

static void expect_no_set(int wanted)
{
    assert_int_equal(arena_set_init(&set, &hooks, SLOTS, DECAY_MS), wanted);
    assert_int_equal(alive, 0);
    assert_int_equal(allocated, 0);
}

static void set_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    counting = true;
    for (unsigned i = 0; i < 2 * LIMIT; i++) {
        fault_set(&create_fault, EAGAIN, 1);
        expect_no_set(-EAGAIN);
        fault_set(&decay_fault, EFAULT, 1);
        expect_no_set(-EFAULT);
    }
    fault_set(&mutex_fault, ENOMEM, 1);
    expect_no_set(-ENOMEM);
    for (unsigned n = 0; n < 3; n++) {
        fault_set(&malloc_fault, ENOMEM, 1);
        malloc_fault.skip = n;
        expect_no_set(-ENOMEM);
        assert_int_equal(malloc_fault.calls, 3);
    }
    fault_set(&malloc_fault, 0, 0);
    /* All of the budget is free again. */
    assert_int_equal(arena_set_init(&set, &hooks, MANY_SLOTS, DECAY_MS), 0);
    assert_int_equal(grow(&set), ONE_SET);
    arena_set_destroy(&set);
    assert_int_equal(alive, 0);
    assert_int_equal(allocated, 0);
}

static void failed_growth_takes_nothing_from_the_budget(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(arena_set_init(&set, &hooks, MANY_SLOTS, DECAY_MS), 0);
        fault_set(&create_fault, EAGAIN, MANY_SLOTS / 2);
        grow(&set);
        assert_int_equal(create_fault.calls, MANY_SLOTS / 2 + SPARE);
        assert_int_equal(arena_set_count(&set), ONE_SET);
        arena_set_destroy(&set);
    }
}

/* -- All arenas -------------------------------------------------------------------------------- */

static void decay_is_that_of_all_arenas(void **state)
{
    (void)state;
    current_of(&set, 2);
    assert_int_equal(arena_set_decay(&set, 0), 0);
    assert_int_equal(decay_of[FIRST_ARENA], 0);
    assert_int_equal(decay_of[FIRST_ARENA + 1], 0);
    current_of(&set, 3);
    assert_int_equal(decay_of[FIRST_ARENA + 2], 0);
    assert_int_equal(arena_set_decay(&set, -1), 0);
    assert_int_equal(decay_of[FIRST_ARENA + 2], -1);
}

static void decay_that_cannot_be_set_is_an_error(void **state)
{
    (void)state;
    current_of(&set, 2);
    decay_fails_for = FIRST_ARENA + 1;
    assert_int_equal(arena_set_decay(&set, 0), -EFAULT);
    decay_fails_for = 0;
    assert_int_equal(set.decay_ms, DECAY_MS);
}

static void purge_is_for_all_arenas(void **state)
{
    (void)state;
    grow(&set);
    arena_set_purge(&set);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_int_equal(purges_of[FIRST_ARENA + i], 1);
    assert_int_equal(purges_of[FIRST_ARENA + SLOTS], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define NEW(name)  cmocka_unit_test_setup_teardown(name, setup_new, teardown)
#define BARE(name) cmocka_unit_test_setup(name, setup_nothing)
    const struct CMUnitTest tests[] = {
        NEW(new_set_has_one_arena),
        TEST(one_thread_has_one_arena),
        TEST(threads_spread_evenly),
        TEST(thread_keeps_its_arena),
        TEST(threads_are_numbered_one_by_one),
        TEST(threads_at_once_fill_each_slot_once),
        TEST(limit_lowers_the_slots),
        TEST(set_knows_its_arenas),
        NEW(threads_that_take_turns_share_an_arena),
        NEW(threads_that_meet_get_more_arenas),
        NEW(threads_that_seldom_meet_share_an_arena),
        NEW(child_forgets_who_was_inside),
        TEST(slot_without_an_arena_shares_one_for_good),
        TEST(arena_whose_decay_cannot_be_set_is_given_up),
        BARE(each_heap_can_count_on_one_arena),
        BARE(arenas_of_a_set_that_ends_can_be_had_again),
        BARE(set_that_cannot_be_made_leaves_nothing),
        BARE(failed_growth_takes_nothing_from_the_budget),
        TEST(decay_is_that_of_all_arenas),
        TEST(decay_that_cannot_be_set_is_an_error),
        TEST(purge_is_for_all_arenas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
