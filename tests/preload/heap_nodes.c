/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks the NUMA nodes of a program's blocks, and that a child has copies of them.
 *
 * Usage: heap_nodes NODE:PERCENT...  Other nodes must have less than the tolerance.
 */
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define BLOCKS     2000
#define BLOCK_SIZE ((size_t)20000)
#define NODES      64
#define TOLERANCE  8 /* percent */
#define LINE_SIZE  4096

#define HEXADECIMAL 16

static char *blocks[BLOCKS];
static long pages[NODES];
static long all;

static void count_block(char *block, size_t page)
{
    for (size_t at = 0; at < BLOCK_SIZE; at += page) {
        int node = -1;

        CHECK(syscall(SYS_get_mempolicy, &node, NULL, 0, block + at, MPOL_F_NODE | MPOL_F_ADDR) ==
              0);
        CHECK(node >= 0 && node < NODES);
        pages[node]++;
        all++;
    }
}

static bool is_filled(char with)
{
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t at = 0; at < BLOCK_SIZE; at += 100)
            if (blocks[i][at] != with)
                return false;
    return true;
}

static void fill(char with)
{
    for (size_t i = 0; i < BLOCKS; i++)
        memset(blocks[i], with, BLOCK_SIZE);
}

/* The child writes to its blocks; the parent's do not change. */
static void check_fork(void)
{
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        CHECK(is_filled(1));
        fill(2);
        for (size_t i = 0; i < BLOCKS; i++)
            free(blocks[i]);
        _exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(is_filled(1));
}

/* Prints the kernel's line on the block's mapping, which begins with the policy. */
static void print_policy(const char *block)
{
    char line[LINE_SIZE], last[LINE_SIZE] = "";
    FILE *maps = fopen("/proc/self/numa_maps", "r");

    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL &&
           strtoul(line, NULL, HEXADECIMAL) <= (unsigned long)block)
        strcpy(last, line);
    fclose(maps);
    printf("policy%s", strchr(last, ' '));
}

static void read_wanted(int argc, char **argv, long wanted[NODES])
{
    for (int i = 1; i < argc; i++) {
        char *end;
        long node = strtol(argv[i], &end, 10);

        CHECK(*end == ':' && node >= 0 && node < NODES);
        wanted[node] = strtol(end + 1, NULL, 10);
    }
}

int main(int argc, char **argv)
{
    long wanted[NODES] = {0};
    bool right = true;

    read_wanted(argc, argv, wanted);
    for (size_t i = 0; i < BLOCKS; i++)
        CHECK((blocks[i] = malloc(BLOCK_SIZE)) != NULL);
    fill(1);
    for (size_t i = 0; i < BLOCKS; i++)
        count_block(blocks[i], (size_t)sysconf(_SC_PAGESIZE));
    for (int node = 0; node < NODES; node++) {
        long percent = (pages[node] * 100 + all / 2) / all;

        if (pages[node] != 0 || wanted[node] != 0)
            printf("node %d: %ld %% of %ld pages\n", node, percent, all);
        right = right && labs(percent - wanted[node]) <= TOLERANCE;
    }
    print_policy(blocks[BLOCKS / 2]);
    check_fork();
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
