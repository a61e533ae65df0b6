/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that forks in a signal handler, as crash reporters do, while its threads allocate:
 * forks_in_handler FORKS. The handler interrupts malloc and free. Its children allocate, although
 * POSIX does not allow that: with libc's malloc, they may wait for ever.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define BLOCKS      200u
#define LARGEST     60000u
#define THREADS     2
#define HANGS_AFTER 60 /* seconds */

static pid_t (*fork_without_handlers)(void);
static volatile sig_atomic_t forks;

static void start_timer(void)
{
    const struct itimerval timer = {.it_value.tv_usec = 100 + forks * 379 % 2000};

    setitimer(ITIMER_REAL, &timer, NULL);
}

static void be_child(void)
{
    char *blocks[100];

    signal(SIGALRM, SIG_DFL);
    alarm(HANGS_AFTER);
    for (unsigned i = 0; i < 100; i++) {
        blocks[i] = malloc(i * 50 + 1);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)i, i * 50 + 1);
    }
    for (unsigned i = 0; i < 100; i++) {
        CHECK(blocks[i][i * 50] == (char)i);
        free(blocks[i]);
    }
    _exit(0);
}

static void handle(int number)
{
    int saved_errno = errno;
    int status;
    pid_t child = fork_without_handlers();

    (void)number;
    if (child == 0)
        be_child();
    while (waitpid(child, &status, 0) < 0)
        CHECK(errno == EINTR);
    CHECK(status == 0);
    forks++;
    start_timer();
    errno = saved_errno;
}

static void *use(void *argument)
{
    sigset_t all;
    unsigned random = 7;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        random = random * 1103515245u + 12345u;
        free(malloc((random >> 8) % (2 * LARGEST)));
    }
    return argument;
}

/* No child changes its parent's blocks. */
static void replace(unsigned i, size_t size)
{
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];

    for (size_t at = 0; at < sizes[i]; at += 97)
        CHECK(blocks[i][at] == i);
    free(blocks[i]);
    blocks[i] = malloc(size);
    CHECK(blocks[i] != NULL);
    sizes[i] = size;
    memset(blocks[i], (int)i, size);
}

int main(int argc, char **argv)
{
    int most = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    unsigned random = 1;

    *(void **)&fork_without_handlers = dlsym(RTLD_DEFAULT, "_Fork");
    if (fork_without_handlers == NULL)
        fork_without_handlers = fork;
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, use, NULL) == 0);
    }
    CHECK(signal(SIGALRM, handle) != SIG_ERR);
    start_timer();
    while (forks < most) {
        random = random * 1103515245u + 12345u;
        replace((random >> 16) % BLOCKS, (random >> 8) % LARGEST + 1);
    }
    _exit(0);
}
