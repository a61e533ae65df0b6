/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the list of heaps: all heaps are visited, and none ends while it is visited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/heap.h"
#include "heap/heap_list.h"

#define HEAPS        3
#define NAP_US       50000 /* many times the duration of a passage */
#define HANG_SECONDS 60

static struct heap heaps[HEAPS];

struct seen {
    unsigned visits[HEAPS];
    const struct heap *stop_at;
};

static bool note(struct heap *heap, void *argument)
{
    struct seen *seen = argument;

    seen->visits[heap - heaps]++;
    return heap == seen->stop_at;
}

static void expect_visits(unsigned first, unsigned second, unsigned third)
{
    struct seen seen = {0};

    assert_false(heap_list_visit(note, &seen));
    assert_int_equal(seen.visits[0], first);
    assert_int_equal(seen.visits[1], second);
    assert_int_equal(seen.visits[2], third);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < HEAPS; i++)
        heap_list_add(&heaps[i]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < HEAPS; i++)
        heap_list_remove(&heaps[i]);
    expect_visits(0, 0, 0);
    return 0;
}

static void each_heap_is_visited_once(void **state)
{
    (void)state;
    expect_visits(1, 1, 1);
    heap_list_remove(&heaps[1]);
    expect_visits(1, 0, 1);
    heap_list_remove(&heaps[2]);
    expect_visits(1, 0, 0);
    heap_list_add(&heaps[2]);
    heap_list_add(&heaps[1]);
    expect_visits(1, 1, 1);
}

static void visit_ends_where_the_visitor_wants(void **state)
{
    struct seen seen = {.stop_at = &heaps[1]};

    (void)state;
    assert_true(heap_list_visit(note, &seen));
    assert_int_equal(seen.visits[1], 1);
    assert_int_equal(seen.visits[0] + seen.visits[2], 1);
}

static bool visit_within(struct heap *heap, void *argument)
{
    (void)argument;
    if (heap == &heaps[0])
        expect_visits(1, 1, 1);
    return false;
}

static void visitors_may_look_at_others(void **state)
{
    (void)state;
    assert_false(heap_list_visit(visit_within, NULL));
}

/* -- Removal ----------------------------------------------------------------------------------- */

static sem_t has_come, may_leave;
static atomic_bool removed;

static bool stay(struct heap *heap, void *argument)
{
    if (heap == argument) {
        sem_post(&has_come);
        sem_wait(&may_leave);
    }
    return false;
}

static void *visit_and_stay(void *heap)
{
    heap_list_visit(stay, heap);
    return NULL;
}

static void *take_off(void *heap)
{
    heap_list_remove(heap);
    atomic_store(&removed, true);
    return NULL;
}

static void heap_does_not_end_while_it_is_visited(void **state)
{
    pthread_t visitor, remover;

    (void)state;
    sem_init(&has_come, 0, 0);
    sem_init(&may_leave, 0, 0);
    atomic_store(&removed, false);
    assert_int_equal(pthread_create(&visitor, NULL, visit_and_stay, &heaps[1]), 0);
    sem_wait(&has_come);
    assert_int_equal(pthread_create(&remover, NULL, take_off, &heaps[1]), 0);
    usleep(NAP_US);
    assert_false(atomic_load(&removed));
    /* Other heaps can be visited meanwhile. The one that is being removed gets no more visits. */
    expect_visits(1, 0, 1);
    sem_post(&may_leave);
    pthread_join(visitor, NULL);
    pthread_join(remover, NULL);
    assert_true(atomic_load(&removed));
    heap_list_add(&heaps[1]);
}

static void child_has_no_visitors(void **state)
{
    pthread_t visitor;
    int status;

    (void)state;
    sem_init(&has_come, 0, 0);
    sem_init(&may_leave, 0, 0);
    assert_int_equal(pthread_create(&visitor, NULL, visit_and_stay, &heaps[2]), 0);
    sem_wait(&has_come);
    heap_list_before_fork();
    pid_t child = fork();
    heap_list_after_fork(child == 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        heap_list_remove(&heaps[2]);
        _exit(EXIT_SUCCESS);
    }
    sem_post(&may_leave);
    pthread_join(visitor, NULL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_heap_is_visited_once),   TEST(visit_ends_where_the_visitor_wants),
        TEST(visitors_may_look_at_others), TEST(heap_does_not_end_while_it_is_visited),
        TEST(child_has_no_visitors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
