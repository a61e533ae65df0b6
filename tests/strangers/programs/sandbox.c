/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that allocates, installs a filter of system calls for itself, as sshd does for the
 * process that reads from the network, and goes on: sandbox CASE [COMMAND...].
 *
 * Exit status: 0, or 77 where there are no filters.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "call_filter.h"
#include "check.h"

#define BLOCKS  3000u
#define THREADS 4u

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool in_kind(void *ptr)
{
    void *(*detect)(void *);

    *(void **)&detect = dlsym(RTLD_DEFAULT, "memkind_detect_kind");
    return detect != NULL && detect(ptr) != NULL;
}

/* -- Filters ----------------------------------------------------------------------------------- */

/* What libc needs to allocate, to write, and to end threads and processes. */
static const unsigned allowed[] = {
    SYS_read,   SYS_write,    SYS_exit,  SYS_exit_group,     SYS_brk,  SYS_munmap,
    SYS_mremap, SYS_mprotect, SYS_futex, SYS_rt_sigprocmask, SYS_mmap, SYS_getrandom,
};

static unsigned short only_allowed(struct sock_filter *code)
{
    unsigned short used = 0;

    code[used++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < COUNT_OF(allowed); i++) {
        code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    /* libc's heaps of threads read a file of /proc, and shrink by madvise(2). */
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES);
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, args[2]));
    code[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 0, 1);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return used;
}

static int install(bool by_prctl, const struct sock_fprog *program)
{
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (by_prctl)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program);
}

static void confine(bool by_prctl)
{
    struct sock_filter code[8 + 2 * COUNT_OF(allowed)];
    struct sock_fprog program = {.len = only_allowed(code), .filter = code};

    if (install(by_prctl, &program) != 0)
        _exit(77);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

struct blocks {
    unsigned char *block[BLOCKS];
    size_t size[BLOCKS];
};

static void fill(struct blocks *blocks, unsigned i)
{
    memset(blocks->block[i], (int)(i % 251), blocks->size[i]);
}

static void check(const struct blocks *blocks, unsigned i, size_t size)
{
    for (size_t at = 0; at < size; at++)
        CHECK(blocks->block[i][at] == i % 251);
}

static void allocate(struct blocks *blocks)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks->size[i] = i % 100 != 0 ? i * 7 % 3000 + 1 : i * 211 % 600000 + 1;
        blocks->block[i] = malloc(blocks->size[i]);
        CHECK(blocks->block[i] != NULL);
        fill(blocks, i);
    }
}

/* The blocks of before are as they were, and new ones are libc's. */
static void go_on(struct blocks *blocks)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        check(blocks, i, blocks->size[i]);
        if (i % 3 == 0) {
            free(blocks->block[i]);
            blocks->block[i] = malloc(blocks->size[i]);
            fill(blocks, i);
        } else if (i % 3 == 1) {
            blocks->block[i] = realloc(blocks->block[i], 2 * blocks->size[i]);
            check(blocks, i, blocks->size[i]);
        } else {
            free(blocks->block[i]);
            blocks->block[i] = i % 2 == 0 ? calloc(1, blocks->size[i]) : aligned_alloc(64, 640);
        }
        CHECK(blocks->block[i] != NULL && !in_kind(blocks->block[i]));
        CHECK(i % 6 != 2 || blocks->block[i][0] == 0);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        free(blocks->block[i]);
}

static bool is_served_by_kind(void)
{
    void *block = malloc(100);
    bool served = in_kind(block);

    free(block);
    return served;
}

/* -- Cases ------------------------------------------------------------------------------------- */

static struct blocks blocks;

static void case_confined(bool by_prctl)
{
    allocate(&blocks);
    CHECK(in_kind(blocks.block[0]));
    confine(by_prctl);
    go_on(&blocks);
}

/* The first request comes after the filter: there is no heap yet. */
static void case_unused(void)
{
    confine(true);
    allocate(&blocks);
    CHECK(!in_kind(blocks.block[0]));
    go_on(&blocks);
}

/* The child is confined, as that of sshd. */
static void case_child(void)
{
    int status;

    allocate(&blocks);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        confine(true);
        go_on(&blocks);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        exit(77);
    CHECK(WEXITSTATUS(status) == 0 && is_served_by_kind());
    for (unsigned i = 0; i < BLOCKS; i++)
        check(&blocks, i, blocks.size[i]);
}

static pthread_barrier_t barrier;

static void *run_thread(void *argument)
{
    struct blocks *own = argument;
    char *text;

    /* The thread's heap of libc, for which libc reads the number of processors. */
    CHECK(asprintf(&text, "%p", argument) > 0);
    free(text);
    allocate(own);
    CHECK(in_kind(own->block[0]));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    go_on(own);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* All threads are confined at once, and do not end after that. */
static void case_threads(void)
{
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread, NULL, run_thread, calloc(1, sizeof(struct blocks))) == 0);
    allocate(&blocks);
    pthread_barrier_wait(&barrier);
    confine(false);
    pthread_barrier_wait(&barrier);
    go_on(&blocks);
    pthread_barrier_wait(&barrier);
    _exit(0);
}

/* The kernel refuses the filter, which kills at each call: no return follows the jump. */
static void case_refused(bool by_prctl)
{
    struct sock_filter code[] = {BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = COUNT_OF(code), .filter = code};

    allocate(&blocks);
    CHECK(install(by_prctl, &program) != 0);
    CHECK(is_served_by_kind());
    CHECK(getenv("LD_PRELOAD") != NULL && *getenv("LD_PRELOAD") != '\0');
    void *block = calloc(10, 10);
    CHECK(in_kind(block));
    free(block);
}

/* A filter without which the library works: nothing changes. */
static void case_harmless(void)
{
    const struct call_filter_rule rules[] = {{.call = SYS_fallocate, .error = EPERM},
                                             {.call = SYS_membarrier, .error = ENOSYS}};

    if (!call_filter_install(rules, COUNT_OF(rules)))
        exit(77);
    allocate(&blocks);
    for (unsigned i = 0; i < BLOCKS; i++)
        CHECK(in_kind(blocks.block[i]));
}

/* The filter is that of a child of vfork(2), which shares its parent's memory. */
static void case_vfork(void)
{
    allocate(&blocks);
    pid_t child = vfork();
    if (child == 0) {
        confine(true);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child && is_served_by_kind());
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "prctl") == 0 || strcmp(name, "syscall") == 0)
        case_confined(*name == 'p');
    else if (strcmp(name, "unused") == 0)
        case_unused();
    else if (strcmp(name, "child") == 0)
        case_child();
    else if (strcmp(name, "threads") == 0)
        case_threads();
    else if (strcmp(name, "refused") == 0)
        case_refused(argc > 2);
    else if (strcmp(name, "harmless") == 0)
        case_harmless();
    else if (strcmp(name, "vfork") == 0)
        case_vfork();
    else
        return 2;
    return 0;
}
