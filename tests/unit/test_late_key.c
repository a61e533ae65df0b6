/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of late keys: their order, after the program's keys, and keys that cannot be created. */
/* WRAP: pthread_key_create */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "support/faults.h"
#include "util/late_key.h"

/* The thread sanitizer ends its state of a thread in the last round. */
#ifdef __SANITIZE_THREAD__
#    define LAST_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#    define LAST_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static pthread_key_t late_keys[LATE_KEYS];
static pthread_key_t program_key;
static char order[LATE_KEYS * PTHREAD_DESTRUCTOR_ITERATIONS + 2];
static int rounds;
static struct fault create_fault;

int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    return fault_hits(&create_fault) ? create_fault.error
                                     : __real_pthread_key_create(key, destructor);
}

static void note(const char *what)
{
    strcat(order, what);
}

static void end_caches(void *value)
{
    (void)value;
    note("c");
}

static void end_jemalloc(void *value)
{
    (void)value;
    note("j");
}

static void end_gate(void *value)
{
    (void)value;
    note("g");
}

/* The program's destructor, which uses all late keys in its last round. */
static void end_program(void *value)
{
    if (++rounds < LAST_ROUND) {
        assert_int_equal(pthread_setspecific(program_key, value), 0);
        return;
    }
    for (size_t i = 0; i < LATE_KEYS; i++)
        assert_int_equal(pthread_setspecific(late_keys[i], value), 0);
}

static void *set_and_end(void *value)
{
    assert_int_equal(pthread_setspecific(program_key, value), 0);
    return NULL;
}

/* Returns how many keys can be created. */
static size_t count_free_keys(void)
{
    static pthread_key_t keys[PTHREAD_KEYS_MAX];
    size_t count = 0;

    while (count < PTHREAD_KEYS_MAX && __real_pthread_key_create(&keys[count], NULL) == 0)
        count++;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_key_delete(keys[i]), 0);
    return count;
}

static int create_all(void)
{
    static void (*const ends[LATE_KEYS])(void *) = {end_caches, end_jemalloc, end_gate};
    int err = 0;

    for (int i = LATE_KEYS - 1; i >= 0 && err == 0; i--)
        err = late_key_create((enum late_key)i, &late_keys[i], ends[i]);
    return err;
}

static void failure_leaves_nothing(void **state)
{
    size_t free_keys = count_free_keys();

    (void)state;
    fault_set(&create_fault, EAGAIN, FAULT_ALWAYS);
    assert_int_equal(create_all(), EAGAIN);
    for (unsigned requested = 1; requested < LATE_KEYS; requested++) {
        create_fault = (struct fault){.error = ENOMEM, .skip = requested, .times = FAULT_ALWAYS};
        assert_int_equal(create_all(), ENOMEM);
        assert_int_equal(count_free_keys(), free_keys);
    }
    create_fault = (struct fault){0};
}

static void late_keys_end_last_and_in_order(void **state)
{
    size_t free_keys = count_free_keys();
    pthread_t thread;
    int value;

    (void)state;
    assert_int_equal(create_all(), 0);
    assert_int_equal(count_free_keys(), free_keys - LATE_KEYS);
    assert_int_equal(__real_pthread_key_create(&program_key, end_program), 0);
    assert_true(program_key < late_keys[0]);
    assert_int_equal(pthread_create(&thread, NULL, set_and_end, &value), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(order, "cjg");
    assert_int_equal(pthread_key_delete(program_key), 0);
}

/* -- Near keys --------------------------------------------------------------------------------- */

#define NEAR_KEYS 32 /* of glibc, in the descriptor of a thread */

static void near_key_comes_after_the_keys_of_most_programs(void **state)
{
    size_t free_keys = count_free_keys();
    pthread_key_t near, next;

    (void)state;
    assert_int_equal(late_key_create_near(&near, end_caches), 0);
    assert_true(near < NEAR_KEYS);
    assert_int_equal(count_free_keys(), free_keys - 1);
    assert_int_equal(__real_pthread_key_create(&next, NULL), 0);
    assert_true(next < near);
    assert_int_equal(pthread_key_delete(next), 0);
    assert_int_equal(pthread_key_delete(near), 0);
}

static void without_free_near_keys_there_is_none(void **state)
{
    pthread_key_t taken[NEAR_KEYS], near;
    size_t count = 0;

    (void)state;
    do
        assert_int_equal(__real_pthread_key_create(&taken[count], NULL), 0);
    while (taken[count++] < NEAR_KEYS - 1);
    size_t free_keys = count_free_keys();
    assert_int_equal(late_key_create_near(&near, end_caches), EAGAIN);
    assert_int_equal(count_free_keys(), free_keys);
    fault_set(&create_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(late_key_create_near(&near, end_caches), EAGAIN);
    create_fault = (struct fault){0};
    /* One is enough. */
    assert_int_equal(pthread_key_delete(taken[0]), 0);
    assert_int_equal(late_key_create_near(&near, end_caches), 0);
    assert_int_equal(near, taken[0]);
    assert_int_equal(pthread_key_delete(near), 0);
    for (size_t i = 1; i < count; i++)
        assert_int_equal(pthread_key_delete(taken[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_leaves_nothing),
        cmocka_unit_test(late_keys_end_last_and_in_order),
        cmocka_unit_test(near_key_comes_after_the_keys_of_most_programs),
        cmocka_unit_test(without_free_near_keys_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
