/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds in the memory of certain nodes, on a machine where node 0 has the processors and most of
 * the memory, and node 1 memory that counts as a DAX device's. Usage: test_nodes
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memkind/internal/memkind_dax_kmem.h"
#include "stress/kinds.h"

#define NEAR   0
#define FAR    1
#define NODES  2
#define PAGE   ((size_t)4096)
#define LARGE  (16 * MIB)
#define SMALL  1000
#define BLOCKS 1000

/* Returns the node of the address's page, from move_pages(2). */
static int node_of(void *address)
{
    int status = -1;

    assert_int_equal(syscall(SYS_move_pages, 0, 1ul, &address, NULL, &status, 0), 0);
    return status;
}

/* Writes to a block and counts its pages on each node. */
static void count_pages(char *block, size_t size, size_t pages[NODES])
{
    memset(block, 1, size);
    for (size_t at = 0; at < size; at += PAGE) {
        int node = node_of(block + at);

        assert_in_range(node, 0, NODES - 1);
        pages[node]++;
    }
}

static void check_all_on(memkind_t kind, int node)
{
    size_t pages[NODES] = {0};

    assert_int_equal(memkind_check_available(kind), MEMKIND_SUCCESS);
    for (int i = 0; i < BLOCKS; i++) {
        char *block = memkind_malloc(kind, SMALL);

        assert_non_null(block);
        count_pages(block, SMALL, pages);
    }
    char *block = memkind_malloc(kind, LARGE);
    assert_non_null(block);
    count_pages(block, LARGE, pages);
    memkind_free(kind, block);
    assert_int_equal(pages[NODES - 1 - node], 0);
    assert_int_equal(pages[node], BLOCKS + LARGE / PAGE);
}

static void test_dax_kmem(void **state)
{
    (void)state;
    check_all_on(MEMKIND_DAX_KMEM, FAR);
    check_all_on(MEMKIND_DAX_KMEM_ALL, FAR);
    check_all_on(MEMKIND_DAX_KMEM_PREFERRED, FAR);
    check_all_on(MEMKIND_DAX_KMEM_INTERLEAVE, FAR);
}

static void test_highest_capacity(void **state)
{
    (void)state;
    check_all_on(MEMKIND_HIGHEST_CAPACITY, NEAR);
    check_all_on(MEMKIND_HIGHEST_CAPACITY_PREFERRED, NEAR);
    check_all_on(MEMKIND_HIGHEST_CAPACITY_LOCAL, NEAR);
    check_all_on(MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED, NEAR);
}

/* Returns a value of the node's meminfo, such as MemFree, in bytes. */
static size_t meminfo(int node, const char *key)
{
    char path[64];
    char line[128];
    char found[32];
    size_t kib = 0;
    size_t value;

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Node %*d %31[^:]: %zu kB", found, &value) == 2 && strcmp(found, key) == 0)
            kib = value;
    fclose(file);
    return kib << 10;
}

static size_t size_of_node(int node)
{
    return meminfo(node, "MemTotal");
}

static void test_capacity(void **state)
{
    (void)state;
    assert_int_equal(memkind_get_capacity(MEMKIND_DAX_KMEM), size_of_node(FAR));
    assert_int_equal(memkind_get_capacity(MEMKIND_DAX_KMEM_ALL), size_of_node(FAR));
    assert_int_equal(memkind_get_capacity(MEMKIND_DAX_KMEM_INTERLEAVE), size_of_node(FAR));
    assert_int_equal(memkind_get_capacity(MEMKIND_HIGHEST_CAPACITY), size_of_node(NEAR));
    assert_int_equal(memkind_get_capacity(MEMKIND_DAX_KMEM_PREFERRED), -1);
}

static void test_nodemask(void **state)
{
    unsigned long mask = 0;

    (void)state;
    assert_int_equal(memkind_dax_kmem_all_get_mbind_nodemask(NULL, &mask, 64), MEMKIND_SUCCESS);
    assert_int_equal(mask, 1ul << FAR);
}

/* The preferring kind has pages elsewhere only when the node is full. */
static void test_preferred_when_full(void **state)
{
    size_t pages[NODES] = {0};
    size_t free_before = meminfo(FAR, "MemFree");
    /* More than is free: memory of earlier tests may be released meanwhile. */
    size_t size = meminfo(FAR, "MemTotal") + 2 * LARGE;
    char *block = memkind_malloc(MEMKIND_DAX_KMEM_PREFERRED, size);

    (void)state;
    assert_non_null(block);
    for (size_t at = 0; at < size; at += PAGE)
        block[at] = 1;
    for (size_t at = 0; at < size; at += MIB)
        pages[node_of(block + at)]++;
    printf("%zu MiB of %zu that were free\n", pages[FAR], free_before / MIB);
    assert_true(pages[FAR] > free_before / MIB / 4 * 3);
    assert_true(pages[NEAR] > 0);
    memkind_free(MEMKIND_DAX_KMEM_PREFERRED, block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dax_kmem),
        cmocka_unit_test(test_highest_capacity),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_nodemask),
        cmocka_unit_test(test_preferred_when_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
