/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forks in a signal handler that interrupts malloc and free, in a process with one thread.
 *
 * A timer sends the signal again and again while blocks are allocated, checked and freed at random.
 * The timer is set anew after the first block behind each fork, however long the fork took.
 * The children exit at once, execute a program whose arguments lie in the heap, or return from the
 * handler and go on with what it has interrupted.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERRUPT_BLOCKS     500u
#define INTERRUPT_MOST_US    700
#define INTERRUPT_CHILD_OPS  300u
#define INTERRUPT_HANG_AFTER 100 /* seconds */

struct interrupted_heap {
    void *(*alloc)(size_t size);
    void (*release)(void *ptr);
    unsigned forks;      /* wanted */
    size_t largest_log2; /* of blocks */
    bool is_shared;      /* children would go on with their parent's blocks, and must not return */
};

static struct {
    const struct interrupted_heap *heap;
    char *program[3]; /* argv, in the heap; the second is its exit status */
    volatile sig_atomic_t forks;
    volatile sig_atomic_t failed;
    volatile sig_atomic_t is_armed; /* the timer */
    volatile sig_atomic_t is_child;
    struct {
        unsigned char *block;
        size_t size;
    } blocks[INTERRUPT_BLOCKS];
    uint64_t seed;
} interrupted;

static inline size_t interrupted_random(size_t below)
{
    interrupted.seed = interrupted.seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(interrupted.seed >> 33) % below;
}

/* Fails where the child does, or where it does not end. */
static inline void interrupted_wait(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        ;
    if (status != 0)
        interrupted.failed = 1;
}

/* Only functions that a handler may call. */
static inline void interrupted_fork(int number)
{
    (void)number;
    interrupted.is_armed = 0;
    if (interrupted.is_child)
        return;
    int way = (int)interrupted.forks % (interrupted.heap->is_shared ? 2 : 3);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(INTERRUPT_HANG_AFTER);
        if (way == 0)
            _exit(0);
        if (way == 1) {
            execv(interrupted.program[0], interrupted.program);
            _exit(1);
        }
        interrupted.is_child = 1;
        return;
    }
    interrupted.forks++;
    if (child < 0)
        interrupted.failed = 1;
    else
        interrupted_wait(child);
}

static inline bool interrupted_is_filled(size_t i)
{
    const unsigned char *block = interrupted.blocks[i].block;
    size_t size = interrupted.blocks[i].size;
    unsigned char byte = (unsigned char)(i + size);

    return block[0] == byte && block[size / 2] == byte && block[size - 1] == byte;
}

static inline bool interrupted_step(void)
{
    size_t i = interrupted_random(INTERRUPT_BLOCKS);
    size_t size = ((size_t)16 << interrupted_random(interrupted.heap->largest_log2 - 3)) + i;

    if (interrupted.blocks[i].block != NULL && !interrupted_is_filled(i))
        return false;
    interrupted.heap->release(interrupted.blocks[i].block);
    interrupted.blocks[i].block = interrupted.heap->alloc(size);
    interrupted.blocks[i].size = size;
    if (interrupted.blocks[i].block == NULL)
        return false;
    memset(interrupted.blocks[i].block, (int)(unsigned char)(i + size), size);
    return true;
}

static inline void interrupted_start_timer(void)
{
    const suseconds_t delay = (suseconds_t)interrupted_random(INTERRUPT_MOST_US) + 1;
    const struct itimerval timer = {.it_value.tv_usec = delay};

    interrupted.is_armed = 1;
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* The child of a handler that has returned. */
static inline void interrupted_child(void)
{
    for (unsigned i = 0; i < INTERRUPT_CHILD_OPS; i++)
        if (!interrupted_step())
            _exit(2);
    _exit(0);
}

static inline char *interrupted_text(const char *text)
{
    return strcpy(interrupted.heap->alloc(strlen(text) + 1), text);
}

/* False where a block was not what it should be, or a child failed. */
static inline bool interrupt_by_forks(const struct interrupted_heap *heap)
{
    struct sigaction action = {.sa_handler = interrupted_fork, .sa_flags = SA_RESTART};
    bool good = true;

    memset(&interrupted, 0, sizeof(interrupted));
    interrupted.heap = heap;
    interrupted.program[0] = interrupted_text("/bin/true");
    interrupted.program[1] = interrupted_text("argument");
    sigaction(SIGALRM, &action, NULL);
    while (good && interrupted.failed == 0 && (unsigned)interrupted.forks < heap->forks) {
        good = interrupted_step();
        if (interrupted.is_child)
            interrupted_child();
        if (!interrupted.is_armed)
            interrupted_start_timer();
    }
    setitimer(ITIMER_REAL, &(const struct itimerval){0}, NULL);
    for (size_t i = 0; i < INTERRUPT_BLOCKS; i++) {
        good = good && (interrupted.blocks[i].block == NULL || interrupted_is_filled(i));
        heap->release(interrupted.blocks[i].block);
    }
    signal(SIGALRM, SIG_DFL);
    return good && interrupted.failed == 0;
}
