/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the sets of processes that share what a fork has frozen. */
/* WRAP: shmget shmat shmctl */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/holders.h"
#include "support/faults.h"

#define NOBODY ((uid_t)65534)

static struct fault get_fault;
static struct fault attach_fault;
static struct fault control_fault;
static struct fault remove_fault;
static int last_segment;

int __real_shmget(key_t key, size_t size, int flags);
int __wrap_shmget(key_t key, size_t size, int flags);
void *__real_shmat(int id, const void *addr, int flags);
void *__wrap_shmat(int id, const void *addr, int flags);
int __real_shmctl(int id, int command, struct shmid_ds *status);
int __wrap_shmctl(int id, int command, struct shmid_ds *status);

int __wrap_shmget(key_t key, size_t size, int flags)
{
    if (fault_hits(&get_fault))
        return -1;
    last_segment = __real_shmget(key, size, flags);
    return last_segment;
}

void *__wrap_shmat(int id, const void *addr, int flags)
{
    return fault_hits(&attach_fault) ? (void *)-1 : __real_shmat(id, addr, flags);
}

int __wrap_shmctl(int id, int command, struct shmid_ds *status)
{
    if (command == IPC_STAT && fault_hits(&control_fault))
        return -1;
    if (command == IPC_RMID && fault_hits(&remove_fault))
        return -1;
    return __real_shmctl(id, command, status);
}

static int setup(void **state)
{
    (void)state;
    get_fault = attach_fault = control_fault = remove_fault = (struct fault){0};
    return 0;
}

static bool segment_is_gone(void)
{
    struct shmid_ds status;

    return __real_shmctl(last_segment, IPC_STAT, &status) != 0;
}

static struct holders *get(void)
{
    int err;
    struct holders *holders = holders_get(&err);

    assert_non_null(holders);
    assert_int_equal(err, 0);
    return holders;
}

static void a_process_is_alone_until_it_forks(void **state)
{
    struct holders *holders = get();
    int ready[2], stop[2];
    char byte;

    (void)state;
    assert_true(holders_are_one(holders));
    assert_int_equal(pipe(ready) | pipe(stop), 0);
    pid_t child = fork();
    if (child == 0) {
        close(stop[1]);
        _exit(write(ready[1], "", 1) != 1 || holders_are_one(holders) ||
              read(stop[0], &byte, 1) != 0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_false(holders_are_one(holders));
    close(stop[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(holders_are_one(holders));
    close(stop[0]);
    close(ready[0]);
    close(ready[1]);
    holders_put(holders);
    assert_true(segment_is_gone());
}

/* A child that executes, one that is killed, and a child's child that is the last. */
static void holders_go_however_they_end(void **state)
{
    struct holders *holders = get();
    int status;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sleep", "sleep", "20", (char *)NULL);
        _exit(1);
    }
    while (!holders_are_one(holders))
        usleep(1000);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    assert_false(holders_are_one(holders));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(holders_are_one(holders));
    child = fork();
    if (child == 0) {
        if (fork() == 0)
            usleep(100000);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(holders_are_one(holders));
    while (!holders_are_one(holders))
        usleep(1000);
    holders_put(holders);
}

/* What the parent began goes on in the child, which begins its own. */
static void each_generation_has_its_own(void **state)
{
    struct holders *holders = get();
    int status;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        holders_after_fork();
        struct holders *own = get();
        bool right = own != holders && holders_are_one(own) && !holders_are_one(holders);
        holders_put(own);
        holders_put(holders);
        _exit(right && segment_is_gone() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(holders_are_one(holders));
    holders_put(holders);
}

static void a_set_lives_until_it_was_put_as_often(void **state)
{
    struct holders *holders = get();

    (void)state;
    assert_ptr_equal(get(), holders);
    holders_put(holders);
    assert_true(holders_are_one(holders));
    holders_put(holders);
    assert_true(segment_is_gone());
}

/* The number of a process's ancestors is limited. */
static void sets_are_limited(void **state)
{
    struct holders *sets[HOLDERS_MOST];
    int err;

    (void)state;
    for (size_t i = 0; i < HOLDERS_MOST; i++) {
        sets[i] = get();
        holders_after_fork();
    }
    assert_null(holders_get(&err));
    assert_int_equal(err, -ENFILE);
    for (size_t i = 0; i < HOLDERS_MOST; i++)
        holders_put(sets[i]);
    holders_put(get());
}

static void failures_leave_nothing(void **state)
{
    int err;

    (void)state;
    fault_set(&get_fault, ENOSPC, 1);
    assert_null(holders_get(&err));
    assert_int_equal(err, -ENOSPC);
    fault_set(&attach_fault, ENOMEM, 1);
    assert_null(holders_get(&err));
    assert_int_equal(err, -ENOMEM);
    assert_true(segment_is_gone());
    struct holders *holders = get();
    fault_set(&control_fault, EACCES, 1);
    assert_false(holders_are_one(holders));
    assert_true(holders_are_one(holders));
    holders_put(holders);
}

/* A segment that could not be removed would stay in the system. */
static void no_segment_where_it_cannot_be_removed(void **state)
{
    static const int errors[] = {EPERM, ENOSYS};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        int err = 0;

        fault_set(&remove_fault, errors[i], FAULT_ALWAYS);
        assert_null(holders_get(&err));
        assert_int_equal(err, -errors[i]);
        assert_int_equal(get_fault.calls, 0);
    }
}

static void privileges_are_not_needed(void **state)
{
    int status;

    (void)state;
    if (geteuid() != 0)
        skip();
    struct holders *holders = get();
    pid_t child = fork();
    if (child == 0) {
        holders_after_fork();
        struct holders *own = get();
        _exit(setuid(NOBODY) != 0 || !holders_are_one(own));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    holders_put(holders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_process_is_alone_until_it_forks, setup),
        cmocka_unit_test_setup(holders_go_however_they_end, setup),
        cmocka_unit_test_setup(each_generation_has_its_own, setup),
        cmocka_unit_test_setup(a_set_lives_until_it_was_put_as_often, setup),
        cmocka_unit_test_setup(sets_are_limited, setup),
        cmocka_unit_test_setup(failures_leave_nothing, setup),
        cmocka_unit_test_setup(no_segment_where_it_cannot_be_removed, setup),
        cmocka_unit_test_setup(privileges_are_not_needed, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
