/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of jemalloc around a fork: the gate that keeps threads out, and jemalloc's own handlers. */
/* WRAP: jemk_pthread_atfork fork_gate_close */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_block.h"
#include "heap/jemalloc_ctl.h"
#include "heap/jemalloc_fork.h"
#include "support/jemalloc_arena.h"

static bool gate_cannot_be_closed;

bool __real_fork_gate_close(void);
bool __wrap_fork_gate_close(void);

bool __wrap_fork_gate_close(void)
{
    return !gate_cannot_be_closed && __real_fork_gate_close();
}

/* jemalloc's fork handlers. */
static void (*prepare_fork)(void);
static void (*in_parent)(void);
static void (*in_child)(void);
static unsigned prepared;

static void prepare_and_count(void)
{
    prepared++;
    prepare_fork();
}

int __real_jemk_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_jemk_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_jemk_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    prepare_fork = prepare;
    in_parent = parent;
    in_child = child;
    return __real_jemk_pthread_atfork(prepare_and_count, parent, child);
}

static int setup(void **state)
{
    (void)state;
    return make_arena();
}

static int teardown(void **state)
{
    (void)state;
    jemalloc_ctl_arena_destroy(arena);
    return 0;
}

/* -- The gate ---------------------------------------------------------------------------------- */

#define NAP_US 100000 /* many times the duration of a call */

static atomic_bool is_closed;
static atomic_uint ready;

static void *measured, *resized;

static void call_alloc(void)
{
    jemalloc_block_free(jemalloc_block_alloc(arena, 100, 0, false));
}

static void call_realloc(void)
{
    resized = jemalloc_block_realloc(arena, resized, 200);
}

static void call_usable_size(void)
{
    assert_true(jemalloc_block_size(measured) >= 100);
}

static void call_class_size(void)
{
    assert_true(jemalloc_block_class_size(1) != 0);
}

static void call_ctl(void)
{
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
}

static void call_create(void)
{
    unsigned another;

    assert_int_equal(jemalloc_ctl_arena_create(&region_hooks, &metadata_hooks, &another), 0);
    jemalloc_ctl_arena_destroy(another);
}

struct caller {
    void (*call)(void);
    pthread_t thread;
    atomic_bool has_returned;
};

static void *call_when_closed(void *argument)
{
    struct caller *caller = argument;

    /* Gives jemalloc state of this thread to clean up. */
    call_alloc();
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&is_closed))
        sched_yield();
    if (caller->call != NULL) {
        caller->call();
        atomic_store(&caller->has_returned, true);
    }
    return NULL;
}

/* Threads that call jemalloc, and one that ends, wait until the process has forked. */
static void nobody_uses_jemalloc_during_a_fork(void **state)
{
    struct caller callers[] = {
        {.call = call_alloc},
        {.call = call_realloc},
        {.call = call_usable_size},
        {.call = call_class_size},
        {.call = call_ctl},
        {.call = call_create},
        {.call = NULL},
    };
    size_t count = sizeof(callers) / sizeof(callers[0]);

    (void)state;
    measured = jemalloc_block_alloc(arena, 100, 0, false);
    resized = jemalloc_block_alloc(arena, 100, 0, false);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_when_closed, &callers[i]),
                         0);
    while (atomic_load(&ready) < count)
        sched_yield();
    fork_gate_close();
    atomic_store(&is_closed, true);
    usleep(NAP_US);
    for (size_t i = 0; i < count; i++) {
        assert_false(atomic_load(&callers[i].has_returned));
        assert_int_equal(pthread_tryjoin_np(callers[i].thread, NULL), EBUSY);
    }
    fork_gate_open();
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
}

#define FORKS 20

static void *use_jemalloc(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        call_alloc();
        call_ctl();
    }
    return NULL;
}

/* If the gate stays open, jemalloc's own handlers acquire its locks. */
static void fork_without_the_gate(void **state)
{
    atomic_bool stop = false;
    pthread_t thread;
    int status;

    (void)state;
    prepared = 0;
    gate_cannot_be_closed = true;
    assert_int_equal(pthread_create(&thread, NULL, use_jemalloc, &stop), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(20);
            for (int j = 0; j < 100; j++)
                call_alloc();
            call_ctl();
            call_create();
            gate_cannot_be_closed = false;
            assert_true(fork_gate_close());
            fork_gate_open();
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    gate_cannot_be_closed = false;
    assert_int_equal(prepared, FORKS);
}

static void fork_and_wait(void)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* jemalloc's handlers acquire the locks that its own threads may hold, and no others. */
static void fork_with_background_threads(void **state)
{
    (void)state;
    prepared = 0;
    fork_and_wait();
    assert_int_equal(prepared, 0);
    assert_int_equal(jemalloc_ctl_set_background_threads(true), 0);
    fork_and_wait();
    assert_int_equal(prepared, 1);
    assert_int_equal(jemalloc_ctl_set_background_threads(false), 0);
    fork_and_wait();
    assert_int_equal(prepared, 1);
}

/* As on a kernel whose pages are too large for jemalloc: jemalloc registers no handlers. */
static void fork_before_jemalloc_has_started(void **state)
{
    (void)state;
    prepared = 0;
    assert_int_equal(__real_jemk_pthread_atfork(NULL, NULL, NULL), 0);
    fork_and_wait();
    gate_cannot_be_closed = true;
    fork_and_wait();
    gate_cannot_be_closed = false;
    assert_int_equal(__real_jemk_pthread_atfork(prepare_and_count, in_parent, in_child), 0);
    assert_int_equal(prepared, 0);
}

static void discard(void *opaque, const char *text)
{
    (void)opaque;
    (void)text;
}

/* The program's function may call anything: no lock of the library is held meanwhile. */
static void use_all_in_report(void *opaque, const char *text)
{
    bool *has_run = opaque;

    (void)text;
    if (*has_run)
        return;
    *has_run = true;
    call_alloc();
    call_create();
    jemalloc_ctl_print_stats(discard, NULL, "");
    fork_and_wait();
}

static void report_is_written_when_nothing_is_held(void **state)
{
    bool has_run = false;

    (void)state;
    alarm(60);
    assert_int_equal(jemalloc_ctl_print_stats(use_all_in_report, &has_run, ""), 0);
    alarm(0);
    assert_true(has_run);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nobody_uses_jemalloc_during_a_fork),     TEST(fork_without_the_gate),
        TEST(fork_with_background_threads),           TEST(fork_before_jemalloc_has_started),
        TEST(report_is_written_when_nothing_is_held),
    };

    if (pthread_atfork(jemalloc_fork_before, jemalloc_fork_in_parent, jemalloc_fork_in_child) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
