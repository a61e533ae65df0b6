/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program's first request for the heap, which makes the heap: first CASE. The directory is
 * $MEMKIND_PRELOAD_DIR. The program allocates nothing before.
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define THREADS     8
#define DESCRIPTORS 4096
#define SIZE        ((size_t)100)
#define AFTER       ((size_t)64 << 10)

static char dir[PATH_MAX];

/* Hides from the compiler where a block comes from. */
static void *opaque(void *ptr)
{
    __asm__ volatile("" : "+r"(ptr)::"memory");
    return ptr;
}

/* Returns whether the process has a nameless file in the directory. */
static bool has_file(void)
{
    char link[64], path[PATH_MAX];

    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof(path) - 1);
        if (length <= 0)
            continue;
        path[length] = '\0';
        if (strncmp(path, dir, strlen(dir)) == 0 && strstr(path, "(deleted)") != NULL)
            return true;
    }
    return false;
}

static bool in_kind(void *ptr)
{
    void *(*detect)(void *);

    *(void **)&detect = dlsym(RTLD_DEFAULT, "memkind_detect_kind");
    return detect != NULL && detect(ptr) != NULL;
}

static bool is_from_libc(void)
{
    void *block = opaque(malloc(SIZE));

    return block != NULL && !in_kind(block);
}

static bool is_served(void)
{
    void *block = opaque(malloc(SIZE));
    bool served = block != NULL && in_kind(block) && has_file();

    free(block);
    return served;
}

static void case_none(void)
{
    CHECK(!has_file());
}

/* The new root does not have the directory. */
static void case_chroot(void)
{
    CHECK(chroot(dir) == 0);
    CHECK(!is_from_libc());
}

/* Landlock forbids the process to open or make any file, where the kernel has Landlock. */
static void case_landlock(void)
{
#ifdef SYS_landlock_restrict_self
    const uint64_t all = 0x1fff;
    long rules = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

    if (rules >= 0) {
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(syscall(SYS_landlock_restrict_self, rules, 0) == 0);
    }
#endif
    CHECK(!is_from_libc());
}

/* The heap is there already, whatever the program changes. */
static void case_early(void)
{
    CHECK(has_file());
    CHECK(clearenv() == 0);
    CHECK(is_served());
}

static void case_malloc(void)
{
    CHECK(is_served());
}

static void case_calloc(void)
{
    char *block = opaque(calloc(1, SIZE));

    CHECK(in_kind(block) && block[SIZE - 1] == 0);
    free(block);
}

static void case_realloc(void)
{
    CHECK(in_kind(opaque(realloc(NULL, SIZE))));
}

static void case_aligned(void)
{
    void *block = NULL;

    CHECK(posix_memalign(&block, 4096, SIZE) == 0 && in_kind(opaque(block)));
}

/* Parent and child make a heap each. */
static void case_fork(void)
{
    int status;
    pid_t child = fork();

    if (child == 0)
        _exit(is_served() ? EXIT_SUCCESS : EXIT_FAILURE);
    CHECK(child > 0 && is_served());
    CHECK(waitpid(child, &status, 0) == child && status == EXIT_SUCCESS);
}

static pthread_barrier_t barrier;

static void *request(void *unused)
{
    pthread_barrier_wait(&barrier);
    void *block = opaque(malloc(SIZE));
    CHECK(block != NULL);
    memset(block, 1, SIZE);
    free(block);
    return unused;
}

static void run_threads(void)
{
    pthread_t threads[THREADS];

    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, request, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* libc serves threads that come while another thread makes the heap. */
static void case_threads(void)
{
    run_threads();
    CHECK(is_served());
}

static void case_environment(void)
{
    CHECK(clearenv() == 0);
    CHECK(is_served());
}

/* With MEMKIND_PRELOAD_AFTER=64K: the requests that make 64 KiB together are libc's. */
static void case_after(void)
{
    char *early = opaque(malloc(SIZE));
    size_t served = SIZE;

    CHECK(early != NULL && !in_kind(early));
    memset(early, 1, SIZE);
    while (served < AFTER - 2 * SIZE) {
        CHECK(is_from_libc());
        served += SIZE;
    }
    CHECK(dlopen(NULL, RTLD_NOW) != NULL && is_from_libc() && !has_file());
    CHECK(is_served());
    early = opaque(realloc(early, 2 * SIZE));
    CHECK(in_kind(early) && early[SIZE - 1] == 1);
    free(early);
}

/* A large request is no early one, and ends them. */
static void case_large(void)
{
    CHECK(is_from_libc());
    CHECK(in_kind(opaque(malloc(AFTER))));
    CHECK(is_served());
}

static void case_many_threads(void)
{
    for (size_t served = 0; served < AFTER; served += THREADS * SIZE)
        run_threads();
    CHECK(is_served());
}

/* Parent and child count on from the fork. */
static void case_children(void)
{
    int status;

    CHECK(is_from_libc());
    pid_t child = fork();
    if (child == 0)
        _exit(is_from_libc() && in_kind(opaque(malloc(AFTER))) && is_served() ? EXIT_SUCCESS
                                                                              : EXIT_FAILURE);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == EXIT_SUCCESS);
    CHECK(is_from_libc());
}

/* The heap cannot be made any more. */
static void case_gone(void)
{
    CHECK(rmdir(dir) == 0);
    CHECK(!is_served());
    CHECK(!is_served());
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"early", case_early},       {"none", case_none},
    {"malloc", case_malloc},     {"calloc", case_calloc},
    {"realloc", case_realloc},   {"aligned", case_aligned},
    {"fork", case_fork},         {"threads", case_threads},
    {"gone", case_gone},         {"environment", case_environment},
    {"after", case_after},       {"large", case_large},
    {"children", case_children}, {"many_threads", case_many_threads},
    {"chroot", case_chroot},     {"landlock", case_landlock},
};

int main(int argc, char **argv)
{
    const char *name = getenv("MEMKIND_PRELOAD_DIR");

    if (argc != 2 || name == NULL)
        return 2;
    snprintf(dir, sizeof(dir), "%s", name);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            CHECK(has_file() == (cases[i].run == case_early));
            cases[i].run();
            return EXIT_SUCCESS;
        }
    return 2;
}
