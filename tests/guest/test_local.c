/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which nodes a kind takes for a thread on each processor. Usage: test_local KIND NODES...
 *
 * The n-th NODES is for processor n: a node; several nodes that must all have pages, such as "0,2";
 * several of which any may have pages, such as "0/2"; or "none" if allocation must fail. KIND is
 * the kind's name without memkind_, or hbw_malloc. The thread moves from one processor to the next,
 * allocates small and large blocks on each, and frees them on another. The output has a line for
 * each processor.
 */
#include <hbwmalloc.h>
#include <memkind.h>

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memkind/internal/memkind_private.h"

#define MIB    ((size_t)1 << 20)
#define PAGE   ((size_t)4096)
#define LARGE  (11 * MIB)
#define SMALL  ((size_t)1000)
#define SMALLS 300
#define NODES  8
#define ROUNDS 3
#define PREFIX "memkind_"

static memkind_t kind; /* NULL: hbw_malloc() */

static memkind_t find_kind(const char *name)
{
    const memkind_t kinds[] = {
        MEMKIND_HBW,
        MEMKIND_HBW_ALL,
        MEMKIND_HBW_PREFERRED,
        MEMKIND_HBW_INTERLEAVE,
        MEMKIND_HIGHEST_BANDWIDTH_LOCAL,
        MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED,
        MEMKIND_LOWEST_LATENCY_LOCAL,
        MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED,
        MEMKIND_HIGHEST_CAPACITY,
        MEMKIND_HIGHEST_CAPACITY_PREFERRED,
        MEMKIND_HIGHEST_CAPACITY_LOCAL,
        MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED,
        MEMKIND_DAX_KMEM,
        MEMKIND_DAX_KMEM_ALL,
        MEMKIND_DAX_KMEM_PREFERRED,
        MEMKIND_DAX_KMEM_INTERLEAVE,
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i]->name + strlen(PREFIX), name) == 0)
            return kinds[i];
    fprintf(stderr, "no kind %s\n", name);
    exit(EXIT_FAILURE);
}

static void move_to(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("sched_setaffinity");
        exit(EXIT_FAILURE);
    }
}

/* Returns the nodes of a block's pages, a bit each, after a write to all of them. */
static unsigned nodes_of(char *block, size_t size)
{
    unsigned nodes = 0;

    memset(block, 1, size);
    for (size_t at = 0; at < size; at += PAGE) {
        void *page = block + at;
        int node = -1;

        if (syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) != 0 || node < 0 ||
            node >= NODES)
            exit(EXIT_FAILURE);
        nodes |= 1u << node;
    }
    return nodes;
}

static char *allocate(size_t size)
{
    return kind != NULL ? memkind_malloc(kind, size) : hbw_malloc(size);
}

/* Returns the library's own verdict on a block of hbw_malloc(). */
static bool is_verified(char *block, size_t size)
{
    return kind != NULL || hbw_verify_memory_region(block, size, 0) == 0;
}

/* "none" gives no bit. */
static unsigned parse(const char *text)
{
    unsigned nodes = 0;

    for (; *text != '\0'; text++)
        if (*text >= '0' && *text < '0' + NODES)
            nodes |= 1u << (*text - '0');
    return nodes;
}

static bool is_as_expected(unsigned nodes, const char *expected)
{
    unsigned allowed = parse(expected);

    return strchr(expected, '/') != NULL ? nodes != 0 && (nodes & ~allowed) == 0 : nodes == allowed;
}

static char *smalls[SMALLS];
static char *large;

static void free_all(void)
{
    for (size_t i = 0; i < SMALLS; i++)
        memkind_free(NULL, smalls[i]);
    memkind_free(NULL, large);
}

/* Allocates on this processor. Returns the nodes of all blocks together. */
static unsigned nodes_here(void)
{
    unsigned nodes = 0;

    for (size_t i = 0; i < SMALLS; i++) {
        smalls[i] = allocate(SMALL);
        if (smalls[i] != NULL)
            nodes |= nodes_of(smalls[i], SMALL);
    }
    large = allocate(LARGE);
    if (large != NULL)
        nodes |= nodes_of(large, LARGE);
    if (large != NULL && !is_verified(large, LARGE)) {
        puts("hbw_verify_memory_region does not know the block");
        exit(EXIT_FAILURE);
    }
    return nodes;
}

static bool check_available(const char *expected)
{
    bool available = kind != NULL ? memkind_check_available(kind) == MEMKIND_SUCCESS
                                  : hbw_check_available() == 0;

    return available == (strcmp(expected, "none") != 0);
}

int main(int argc, char **argv)
{
    int cpus = argc - 2;
    int wrong = 0;

    if (argc < 3 || cpus > sysconf(_SC_NPROCESSORS_ONLN))
        return EXIT_FAILURE;
    if (strcmp(argv[1], "hbw_malloc") != 0)
        kind = find_kind(argv[1]);
    else if (hbw_set_policy(HBW_POLICY_BIND) != 0)
        return EXIT_FAILURE;
    for (int turn = 0; turn < ROUNDS * cpus; turn++) {
        int cpu = turn % cpus;

        move_to(cpu);
        unsigned nodes = nodes_here();
        bool right = is_as_expected(nodes, argv[2 + cpu]) && check_available(argv[2 + cpu]);
        printf("%-36s processor %d: nodes %#x%s\n", argv[1], cpu, nodes, right ? "" : ", wrong");
        wrong += !right;
        move_to((turn + 1) % cpus);
        free_all();
    }
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
