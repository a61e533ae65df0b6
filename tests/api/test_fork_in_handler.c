/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of fork(2) where little is allowed: in a signal handler that has interrupted malloc, on
 * stacks that malloc has given, and of children that execute with arguments in the heap.
 */
#include "api/fork_fixture.h"

#include <spawn.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "support/interrupting_forks.h"

#define STACK_SIZE ((size_t)256 << 10)

static memkind_t kind;

static memkind_t make(memkind_fork_mode mode, memkind_mem_usage_policy policy)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t made = NULL;

    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, mode);
    memkind_config_set_memory_usage_policy(config, policy);
    assert_int_equal(memkind_create_pmem_with_config(config, &made), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return made;
}

static void *alloc(size_t size)
{
    return memkind_malloc(kind, size);
}

static void release(void *ptr)
{
    memkind_free(kind, ptr);
}

/* -- In a handler ------------------------------------------------------------------------------ */

static void interrupt(memkind_t which, size_t largest_log2)
{
    const struct interrupted_heap heap = {
        .alloc = alloc, .release = release, .forks = 60, .largest_log2 = largest_log2};

    kind = which;
    assert_true(interrupt_by_forks(&heap));
}

static void test_in_handler(void **state)
{
    skip_if_not_alone();
    memkind_t copied = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    (void)state;
    interrupt(copied, 10);
    interrupt(copied, 20);
    assert_int_equal(memkind_destroy_kind(copied), MEMKIND_SUCCESS);
    interrupt(MEMKIND_DEFAULT, 16);
}

/* Each free of a large block changes the file. */
static void test_in_handler_conservative(void **state)
{
    skip_if_not_alone();
    memkind_t copied = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);

    (void)state;
    interrupt(copied, 18);
    assert_int_equal(memkind_destroy_kind(copied), MEMKIND_SUCCESS);
}

/* The fork waits for nothing that its own thread holds. */
static void test_in_handler_of_shared_kind(void **state)
{
    (void)state;
    skip_if_not_alone();
    kind = make(MEMKIND_FORK_SHARE, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    const struct interrupted_heap heap = {
        .alloc = alloc, .release = release, .forks = 60, .largest_log2 = 12, .is_shared = true};
    assert_true(interrupt_by_forks(&heap));
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* -- On stacks of malloc ----------------------------------------------------------------------- */

static ucontext_t main_context;
static ucontext_t coroutine;

/* The child writes to its stack, and the parent to its own. */
static void fork_on_stack(void)
{
    volatile char local[1000];

    for (size_t i = 0; i < sizeof(local); i++)
        local[i] = 'p';
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < sizeof(local); i++)
            local[i] = 'c';
        use(kind);
        _exit(local[500] == 'c' ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    for (size_t i = 0; i < sizeof(local); i++)
        if (local[i] != 'p')
            status = 1;
    *(volatile int *)coroutine.uc_stack.ss_sp = status;
}

static void test_on_a_coroutine(void **state)
{
    (void)state;
    kind = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    fill_blocks(kind);
    for (int i = 0; i < 20; i++) {
        char *stack = memkind_malloc(kind, STACK_SIZE);

        assert_non_null(stack);
        *(int *)stack = -1;
        assert_int_equal(getcontext(&coroutine), 0);
        coroutine.uc_stack.ss_sp = stack;
        coroutine.uc_stack.ss_size = STACK_SIZE;
        coroutine.uc_link = &main_context;
        makecontext(&coroutine, fork_on_stack, 0);
        assert_int_equal(swapcontext(&main_context, &coroutine), 0);
        assert_int_equal(*(int *)stack, 0);
        memkind_free(kind, stack);
    }
    free_blocks(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* -- Other ways to have a child ---------------------------------------------------------------- */

#define CHILDREN 200

/* All at once; each writes to the heap, and forks again. */
static void be_child(int number)
{
    char *block = memkind_malloc(kind, 1000);

    EXPECT(block != NULL);
    fixture_fill(block, 1000, (unsigned)number);
    fixture_fill(blocks[number], size_of((size_t)number), 7);
    pid_t child = fork();
    if (child == 0) {
        EXPECT(fixture_is_filled(block, 1000, (unsigned)number));
        EXPECT(fixture_is_filled(blocks[number], size_of((size_t)number), 7));
        memkind_free(kind, block);
        EXPECT(memkind_malloc(kind, MIB) != NULL);
        _exit(0);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT(fixture_is_filled(block, 1000, (unsigned)number));
    _exit(0);
}

static void test_many_children_at_once(void **state)
{
    pid_t children[CHILDREN];
    int wait_for_all[2];
    char byte;

    (void)state;
    kind = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    fill_blocks(kind);
    assert_int_equal(pipe(wait_for_all), 0);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(wait_for_all[1]);
            EXPECT(read(wait_for_all[0], &byte, 1) == 0);
            be_child(i);
        }
        assert_true(children[i] > 0);
    }
    close(wait_for_all[1]);
    for (int i = 0; i < CHILDREN; i++)
        assert_int_equal(fixture_wait(children[i]), 0);
    close(wait_for_all[0]);
    assert_true(are_blocks_filled());
    free_blocks(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* With arguments and environment in the heap, after writing to them. */
static void test_execution(void **state)
{
    char *text[] = {"/bin/sh", "-c", "test \"$WORD\" = own"};
    char *argv[4] = {0};
    char *environment[2] = {0};

    (void)state;
    kind = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    for (size_t i = 0; i < 3; i++) {
        argv[i] = memkind_malloc(kind, strlen(text[i]) + 1);
        strcpy(argv[i], text[i]);
    }
    environment[0] = memkind_malloc(kind, 100);
    strcpy(environment[0], "WORD=all");
    pid_t child = fixture_fork();
    if (child == 0) {
        strcpy(environment[0], "WORD=own");
        execve(argv[0], argv, environment);
        _exit(1);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_string_equal(environment[0], "WORD=all");
    child = vfork();
    if (child == 0) {
        execve(argv[0], argv, environment);
        _exit(1);
    }
    assert_int_equal(fixture_wait(child), 1);
    strcpy(environment[0], "WORD=own");
    assert_int_equal(posix_spawn(&child, argv[0], NULL, NULL, argv, environment), 0);
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* Without the handlers of fork(2), the child may read blocks and execute. */
static void test_bare_fork(void **state)
{
    (void)state;
    kind = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    fill_blocks(kind);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        EXPECT(are_blocks_filled());
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_true(are_blocks_filled());
    free_blocks(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* -- Two threads that fork --------------------------------------------------------------------- */

static void *fork_often(void *failed)
{
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();

        if (child == 0) {
            alarm(60);
            use(kind);
            _exit(0);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child || status != 0)
            atomic_store((atomic_bool *)failed, true);
    }
    return NULL;
}

/*
 * Last: the process has several threads from here on. In the child, the thread sanitizer takes the
 * handlers for a race with the parent's other thread.
 */
static void test_two_threads_fork(void **state)
{
    atomic_bool failed = false;
    pthread_t other;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    kind = make(MEMKIND_FORK_SNAPSHOT, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    fill_blocks(kind);
    assert_int_equal(pthread_create(&other, NULL, fork_often, &failed), 0);
    fork_often(&failed);
    pthread_join(other, NULL);
    assert_false(atomic_load(&failed));
    assert_true(are_blocks_filled());
    free_blocks(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_in_handler),
        FIXTURE_TEST(test_in_handler_conservative),
        FIXTURE_TEST(test_in_handler_of_shared_kind),
        FIXTURE_TEST(test_on_a_coroutine),
        FIXTURE_TEST(test_many_children_at_once),
        FIXTURE_TEST(test_execution),
        FIXTURE_TEST(test_bare_fork),
        FIXTURE_TEST(test_two_threads_fork),
    };

    /* The idle thread would be a second one. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
