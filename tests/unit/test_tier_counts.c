/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of tier_counts: records are reused, and counting continues for a thread that cannot have
 * one.
 */
/* WRAP: mmap pthread_setspecific */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "kinds/tier_counts.h"

#define PARTITION 3
#define LIVES     100

static bool mmap_fails, setspecific_fails;
static unsigned records_mapped;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (size != sizeof(struct tier_counts))
        return __real_mmap(addr, size, protection, flags, fd, offset);
    if (mmap_fails) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    records_mapped++;
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return setspecific_fails ? ENOMEM : __real_pthread_setspecific(key, value);
}

static void run(void *(*function)(void *))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, function, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *add(void *unused)
{
    errno = 77;
    tier_counts_add(PARTITION, 10);
    assert_int_equal(errno, 77);
    return unused;
}

static void test_records_are_used_again(void **state)
{
    long before = tier_counts_total(PARTITION);

    (void)state;
    run(add);
    unsigned mapped = records_mapped;
    for (int i = 1; i < LIVES; i++)
        run(add);
    assert_int_equal(tier_counts_total(PARTITION) - before, 10 * LIVES);
    assert_int_equal(records_mapped, mapped);
}

static pthread_key_t late_key;

static void add_in_last_round(void *value)
{
    uintptr_t round = (uintptr_t)value;

    if (round < PTHREAD_DESTRUCTOR_ITERATIONS)
        __real_pthread_setspecific(late_key, (void *)(round + 1));
    else
        tier_counts_add(PARTITION, 10);
}

static void *end_late(void *unused)
{
    __real_pthread_setspecific(late_key, (void *)(uintptr_t)1);
    return unused;
}

/* Such a thread cannot report its end. The next one to need a record finds the record abandoned. */
static void test_first_use_in_last_destructor(void **state)
{
    long before = tier_counts_total(PARTITION);

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* The sanitizer's state of the thread ends before the last round. */
#endif
    assert_int_equal(pthread_key_create(&late_key, add_in_last_round), 0);
    run(end_late);
    unsigned mapped = records_mapped;
    for (int i = 1; i < LIVES; i++)
        run(end_late);
    assert_int_equal(tier_counts_total(PARTITION) - before, 10 * LIVES);
    assert_in_range(records_mapped, mapped, mapped + 2);
    pthread_key_delete(late_key);
}

static void test_no_memory(void **state)
{
    long before = tier_counts_total(PARTITION);

    (void)state;
    mmap_fails = true;
    setspecific_fails = true;
    for (int i = 0; i < LIVES; i++)
        run(add);
    setspecific_fails = false;
    mmap_fails = false;
    assert_int_equal(tier_counts_total(PARTITION) - before, 10 * LIVES);
    run(add);
    assert_int_equal(tier_counts_total(PARTITION) - before, 10 * LIVES + 10);
}

static void test_forget(void **state)
{
    (void)state;
    run(add);
    tier_counts_add(PARTITION, 5);
    tier_counts_forget(PARTITION);
    assert_int_equal(tier_counts_total(PARTITION), 0);
    tier_counts_add(PARTITION, 7);
    assert_int_equal(tier_counts_total(PARTITION), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_used_again),
        cmocka_unit_test(test_first_use_in_last_destructor),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
