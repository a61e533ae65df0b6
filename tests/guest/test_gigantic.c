/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of huge pages of 1 GiB on a machine that has some on node 0 and none on node 1. Usage:
 * test_gigantic NODE, the node of high bandwidth (MEMKIND_HBW_NODES).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <hbwmalloc.h>
#include <memkind.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/mappings.h"

#define GIB       ((size_t)1 << 30)
#define STEP      ((size_t)64 << 20)
#define POOL      "/sys/kernel/mm/hugepages/hugepages-1048576kB/"
#define LINE_SIZE 512

static bool near; /* true: the node of high bandwidth has the pages */

static size_t pool(const char *name)
{
    char path[LINE_SIZE];
    size_t pages = 0;

    snprintf(path, sizeof(path), POOL "%s", name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages;
}

static int node_of(void *page)
{
    int node = -1;

    assert_int_equal(syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0), 0);
    return node;
}

/* Allocates all pages, and tries one more. */
static void use_up(memkind_t kind)
{
    size_t most = pool("free_hugepages");
    char *blocks[8];

    assert_int_equal(memkind_check_available(kind), MEMKIND_SUCCESS);
    assert_in_range(most, 1, 8);
    for (size_t i = 0; i < most; i++) {
        blocks[i] = i == 0 ? memkind_malloc(kind, 100) : memkind_calloc(kind, 1, GIB);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % GIB, 0);
        assert_int_equal(page_size_at(blocks[i]), GIB);
        for (size_t at = 0; at < GIB; at += STEP) {
            assert_int_equal(blocks[i][at], 0);
            blocks[i][at] = 1;
        }
        assert_int_equal(node_of(blocks[i]), 0);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
        assert_int_equal(memkind_malloc_usable_size(NULL, blocks[i]), GIB);
    }
    assert_int_equal(pool("free_hugepages"), 0);
    errno = 0;
    assert_null(memkind_malloc(kind, 1));
    assert_int_equal(errno, ENOMEM);
    for (size_t i = 0; i < most; i++)
        memkind_free(i % 2 == 0 ? NULL : kind, blocks[i]);
    assert_int_equal(pool("free_hugepages"), most);
    assert_int_equal(pool("resv_hugepages"), 0);
}

static void test_any_node(void **state)
{
    (void)state;
    use_up(MEMKIND_GBTLB);
    assert_int_equal(memkind_get_capacity(MEMKIND_GBTLB), (ssize_t)(pool("nr_hugepages") * GIB));
}

static void test_high_bandwidth(void **state)
{
    size_t before = pool("free_hugepages");

    (void)state;
    if (near) {
        use_up(MEMKIND_HBW_GBTLB);
        return;
    }
    /* The other node's pages do not help, and touching them would raise SIGBUS. */
    assert_int_equal(memkind_check_available(MEMKIND_HBW_GBTLB), MEMKIND_ERROR_HUGETLB);
    errno = 0;
    assert_null(memkind_malloc(MEMKIND_HBW_GBTLB, 1));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(pool("free_hugepages"), before);
    assert_int_equal(pool("resv_hugepages"), 0);
}

static void test_preferred(void **state)
{
    (void)state;
    char *block = memkind_malloc(MEMKIND_HBW_PREFERRED_GBTLB, GIB);

    assert_non_null(block);
    block[GIB - 1] = 1;
    assert_int_equal(node_of(block), 0);
    memkind_free(MEMKIND_HBW_PREFERRED_GBTLB, block);
}

static void test_sizes_of_pages(void **state)
{
    void *block = NULL;

    (void)state;
    assert_int_equal(hbw_set_policy(near ? HBW_POLICY_BIND : HBW_POLICY_PREFERRED), 0);
    assert_int_equal(hbw_posix_memalign_psize(&block, 64, 100, HBW_PAGESIZE_1GB), 0);
    assert_int_equal(page_size_at(block), GIB);
    hbw_free(block);
    assert_int_equal(hbw_posix_memalign_psize(&block, 64, GIB + 1, HBW_PAGESIZE_1GB_STRICT),
                     EINVAL);
    assert_int_equal(hbw_posix_memalign_psize(&block, 64, GIB, HBW_PAGESIZE_1GB_STRICT), 0);
    assert_int_equal(hbw_malloc_usable_size(block), GIB);
    if (near)
        assert_int_equal(hbw_verify_memory_region(block, STEP, HBW_TOUCH_PAGES), 0);
    hbw_free(block);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_node),
        cmocka_unit_test(test_high_bandwidth),
        cmocka_unit_test(test_preferred),
        cmocka_unit_test(test_sizes_of_pages),
    };

    near = argc > 1 && strcmp(argv[1], "0") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
