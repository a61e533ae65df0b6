/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A node's memory comes online after the library has searched for nodes: a kind without nodes then
 * allocates there, without a restart, and searches at most once a second while it has none.
 *
 * Usage: test_online KIND NODE COMMAND
 *
 * KIND is the kind's name without memkind_, or hbw_malloc. COMMAND brings the memory online.
 */
#include <hbwmalloc.h>
#include <memkind.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIZE     ((size_t)3 << 20)
#define FAILURES 200000
#define PATIENCE 60 /* seconds */
#define MODE     0600
#define LISTING  "/sys/devices/system/node/online"

static memkind_t kind; /* NULL: hbw_malloc() */
static long checks;    /* how often the library has read the nodes */

/* Replaces libc's function, for the library as well. */
__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
    if (strcmp(path, LISTING) == 0)
        checks++;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, MODE);
}

static void fail(const char *what)
{
    printf("FAILED: %s\n", what);
    exit(EXIT_FAILURE);
}

static memkind_t find_kind(const char *name)
{
    const struct {
        const char *name;
        memkind_t kind;
    } kinds[] = {
        {"hbw", MEMKIND_HBW},
        {"hbw_all", MEMKIND_HBW_ALL},
        {"hbw_preferred", MEMKIND_HBW_PREFERRED},
        {"hbw_interleave", MEMKIND_HBW_INTERLEAVE},
        {"dax_kmem", MEMKIND_DAX_KMEM},
        {"dax_kmem_all", MEMKIND_DAX_KMEM_ALL},
        {"dax_kmem_interleave", MEMKIND_DAX_KMEM_INTERLEAVE},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    fail("no such kind");
    return NULL;
}

static char *allocate(size_t size)
{
    return kind != NULL ? memkind_malloc(kind, size) : hbw_malloc(size);
}

static bool is_available(void)
{
    return kind != NULL ? memkind_check_available(kind) == MEMKIND_SUCCESS
                        : hbw_check_available() == 0;
}

static int node_of(void *page)
{
    int node = -1;

    if (syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) != 0)
        return -1;
    return node;
}

/* While there are no nodes, each request fails, and few of them search. */
static void fail_often(void)
{
    time_t start = time(NULL);

    if (is_available())
        fail("available without nodes");
    if (checks == 0)
        fail("a look that is not counted");
    checks = 0;
    for (int i = 0; i < FAILURES; i++) {
        errno = 0;
        if (allocate(SIZE) != NULL || errno != ENOMEM)
            fail("a block without nodes, or not ENOMEM");
    }
    long most = (long)(time(NULL) - start) + 2;
    printf("%d failures in at most %ld s looked %ld times\n", FAILURES, most, checks);
    if (checks > most)
        fail("looks too often");
}

static void try_again(int node)
{
    char *block = NULL;

    for (int i = 0; i < PATIENCE && block == NULL; i++) {
        block = allocate(SIZE);
        if (block == NULL)
            sleep(1);
    }
    if (block == NULL)
        fail("no block after the node came online");
    memset(block, 1, SIZE);
    for (size_t at = 0; at < SIZE; at += (size_t)sysconf(_SC_PAGESIZE))
        if (node_of(block + at) != node)
            fail("a page on another node");
    if (kind == NULL && hbw_verify_memory_region(block, SIZE, 0) != 0)
        fail("hbw_verify_memory_region does not know the node");
    if (!is_available())
        fail("not available");
    memkind_free(kind, block);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return EXIT_FAILURE;
    if (strcmp(argv[1], "hbw_malloc") != 0)
        kind = find_kind(argv[1]);
    else if (hbw_set_policy(HBW_POLICY_BIND) != 0)
        return EXIT_FAILURE;
    fail_often();
    if (system(argv[3]) != 0)
        fail("the command");
    try_again((int)strtol(argv[2], NULL, 10));
    /* Nodes that were found are kept: no more searches. */
    checks = 0;
    for (int i = 0; i < FAILURES; i++)
        memkind_free(kind, allocate(1000));
    if (checks != 0)
        fail("looks where there are nodes");
    return EXIT_SUCCESS;
}
