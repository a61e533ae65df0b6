/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that forks without handlers: raw_forks CALL [threads]. Parent and child both go on with
 * the heap, of which the child has a copy.
 */
#include <dlfcn.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define BLOCKS     4000u
#define SIZE(i)    ((size_t)(i)*37 % 5000 + 1)
#define STACK_SIZE ((size_t)256 << 10)
#define FORKS      3

extern int clone(int (*function)(void *), void *stack, int flags, void *argument, ...);

static unsigned char *blocks[BLOCKS];

static void fill(unsigned i, unsigned salt)
{
    memset(blocks[i], (int)((i + salt) % 251), SIZE(i));
}

static void check_all(unsigned salt)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        for (size_t at = 0; at < SIZE(i); at++)
            CHECK(blocks[i][at] == (i + salt) % 251);
}

/* Replaces all blocks, and the contents of some in place. */
static void change_all(unsigned salt)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (i % 3 != 0) {
            free(blocks[i]);
            blocks[i] = malloc(SIZE(i));
            CHECK(blocks[i] != NULL);
        }
        fill(i, salt);
    }
}

/* -- Forks ------------------------------------------------------------------------------------- */

static int begin_child(void *argument)
{
    unsigned salt = *(unsigned *)argument;

    check_all(salt);
    for (unsigned round = 1; round <= 3; round++)
        change_all(salt + round);
    check_all(salt + 3);
    return 7;
}

static pid_t clone_on_stack(unsigned *salt)
{
    static char *stack;

    if (stack == NULL)
        stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    return clone(begin_child, stack + STACK_SIZE, SIGCHLD, salt);
}

/* A child that has its parent's memory: nothing must change. */
static int add(void *argument)
{
    ++*(unsigned *)argument;
    return 7;
}

static pid_t clone_with_memory(unsigned *salt)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    unsigned value = *salt;
    pid_t child = clone(add, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);

    CHECK(value == *salt + 1);
    return child;
}

static pid_t clone3_child(void)
{
#ifdef SYS_clone3
    struct clone_args args = {.exit_signal = SIGCHLD};

    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
#else
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
#endif
}

static pid_t fork_by_call(void)
{
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
#endif
}

/* _Fork(3), which old libcs lack. */
static pid_t fork_without_handlers(void)
{
    pid_t (*function)(void);

    *(void **)&function = dlsym(RTLD_DEFAULT, "_Fork");
    return function != NULL ? function() : fork();
}

static pid_t fork_once(const char *call, unsigned *salt)
{
    pid_t child;

    if (strcmp(call, "function") == 0)
        return clone_on_stack(salt);
    if (strcmp(call, "memory") == 0)
        return clone_with_memory(salt);
    if (strcmp(call, "clone") == 0)
        child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    else if (strcmp(call, "clone3") == 0)
        child = clone3_child();
    else if (strcmp(call, "fork") == 0)
        child = fork_by_call();
    else
        child = fork_without_handlers();
    if (child == 0)
        _exit(begin_child(salt));
    return child;
}

static void *idle(void *argument)
{
    free(malloc(100));
    for (;;)
        pause();
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    unsigned salt = 0;
    int status;

    if (argc < 2)
        return 2;
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(SIZE(i));
    if (argc > 2)
        CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
    for (int round = 0; round < FORKS; round++) {
        change_all(++salt);
        pid_t child = fork_once(argv[1], &salt);
        CHECK(child > 0);
        /* Beside the child. */
        check_all(salt);
        change_all(salt + 100);
        check_all(salt + 100);
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        check_all(salt + 100);
    }
    return 0;
}
