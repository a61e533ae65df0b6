/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the fork handlers, in this order: a process in which they cannot be registered has no
 * kind that a child could take for its own; the next kind registers them, once; no lock stays held
 * in a child.
 */
/* WRAP: pthread_atfork address_map_mark_ranges */
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
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kinds/arena_kind.h"
#include "kinds/fork.h"
#include "kinds/memkind_fixed_internal.h"
#include "kinds/pmem_create.h"
#include "space/address_map.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define RANGE_SIZE   ((size_t)4 << 20)
#define NAP_US       100000 /* many times the duration of fork(2) */
#define HANG_SECONDS 20

static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct memkind *const untouched = (struct memkind *)(uintptr_t)0x10;
static struct fault atfork_fault = {.error = ENOMEM, .times = FAULT_ALWAYS};
static atomic_bool nap_in_lock; /* of the map of ranges */
static atomic_bool is_in_lock;
static atomic_bool has_forked;

int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

static unsigned registered; /* sets of handlers */

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    if (fault_hits(&atfork_fault))
        return atfork_fault.error;
    registered++;
    return __real_pthread_atfork(prepare, parent, child);
}

int __real_address_map_mark_ranges(const void *base, size_t size);
int __wrap_address_map_mark_ranges(const void *base, size_t size);

int __wrap_address_map_mark_ranges(const void *base, size_t size)
{
    if (atomic_exchange(&nap_in_lock, false)) {
        atomic_store(&is_in_lock, true);
        usleep(NAP_US);
    }
    return __real_address_map_mark_ranges(base, size);
}

static int setup(void **state)
{
    (void)state;
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static int new_kind(memkind_fork_mode fork_mode, struct memkind **kind)
{
    const struct memkind_config config = {
        .pmem_dir = dir_path, .has_fork = true, .fork = fork_mode};

    *kind = untouched;
    errno = 0;
    return pmem_create(&config, kind);
}

static void check_refused(memkind_fork_mode fork_mode)
{
    struct memkind *kind;

    assert_int_equal(new_kind(fork_mode, &kind), MEMKIND_ERROR_MALLOC);
    assert_int_equal(errno, ENOMEM);
    assert_ptr_equal(kind, untouched);
    leftovers_check(&before);
}

static void no_kind_without_handlers(void **state)
{
    (void)state;
    /* At the load of the library. */
    assert_int_equal(atfork_fault.calls, 1);
    check_refused(MEMKIND_FORK_SHARE);
    check_refused(MEMKIND_FORK_SNAPSHOT);
    assert_int_equal(fork_install(), -ENOMEM);
}

static bool allocates_in_another_file(struct memkind *kind, int fd)
{
    return memkind_arena_malloc(kind, (size_t)8 << 20) != NULL &&
           ((const struct memkind_pmem *)kind->priv)->fd != fd;
}

static void check_exit_of(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The child allocates in a file of its own. */
static void next_kind_registers_them(void **state)
{
    struct memkind *kind;

    (void)state;
    fault_set(&atfork_fault, ENOMEM, 0);
    assert_int_equal(new_kind(MEMKIND_FORK_SHARE, &kind), MEMKIND_SUCCESS);
    int fd = ((const struct memkind_pmem *)kind->priv)->fd;
    void *block = memkind_arena_malloc(kind, 1);
    assert_non_null(block);
    size_t held = file_space_held(fd);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(allocates_in_another_file(kind, fd) ? 0 : 1);
    check_exit_of(child);
    assert_int_equal(file_space_held(fd), held);
    memkind_arena_free(kind, block);
    memkind_pmem_destroy(kind);
    free(kind);
    assert_int_equal(registered, 1);
}

/* The same set of handlers makes the copies. */
static void child_of_the_next_kind_has_a_copy(void **state)
{
    struct memkind *kind;

    (void)state;
    assert_int_equal(new_kind(MEMKIND_FORK_SNAPSHOT, &kind), MEMKIND_SUCCESS);
    int fd = ((const struct memkind_pmem *)kind->priv)->fd;
    char *block = memkind_arena_malloc(kind, 1);
    assert_non_null(block);
    *block = 1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        *block += 1;
        _exit(*block == 2 && allocates_in_another_file(kind, fd) ? 0 : 1);
    }
    check_exit_of(child);
    assert_int_equal(*block, 1);
    memkind_arena_free(kind, block);
    memkind_pmem_destroy(kind);
    free(kind);
    assert_int_equal(registered, 1);
}

static void *make_fixed_kind(void *range)
{
    struct memkind *kind = NULL;

    return memkind_fixed_new(range, RANGE_SIZE, &kind) == MEMKIND_SUCCESS ? kind : NULL;
}

static void delete_fixed_kind(struct memkind *kind)
{
    memkind_fixed_destroy(kind);
    free(kind);
}

/*
 * Lives until the fork is over: the thread sanitizer reports a thread that has ended, and that the
 * child cannot join, as a leak of the child.
 */
static void *make_fixed_kind_during_fork(void *range)
{
    void *kind = make_fixed_kind(range);

    while (!atomic_load(&has_forked))
        sched_yield();
    return kind;
}

/* Another thread is creating a fixed kind when the process forks. */
static void child_makes_fixed_kinds(void **state)
{
    char *ranges =
        mmap(NULL, 2 * RANGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t thread;
    void *kind;

    (void)state;
    assert_ptr_not_equal(ranges, MAP_FAILED);
    atomic_store(&nap_in_lock, true);
    assert_int_equal(pthread_create(&thread, NULL, make_fixed_kind_during_fork, ranges), 0);
    while (!atomic_load(&is_in_lock))
        sched_yield();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        struct memkind *own = make_fixed_kind(ranges + RANGE_SIZE);
        if (own != NULL)
            delete_fixed_kind(own);
        _exit(own != NULL ? 0 : 1);
    }
    atomic_store(&has_forked, true);
    check_exit_of(child);
    assert_int_equal(pthread_join(thread, &kind), 0);
    assert_non_null(kind);
    delete_fixed_kind(kind);
    munmap(ranges, 2 * RANGE_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_kind_without_handlers, setup, teardown),
        cmocka_unit_test_setup_teardown(next_kind_registers_them, setup, teardown),
        cmocka_unit_test_setup_teardown(child_of_the_next_kind_has_a_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(child_makes_fixed_kinds, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
