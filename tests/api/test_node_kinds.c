/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of kinds in the memory of certain NUMA nodes, on any machine: node 0 is listed as DAX
 * memory. guest/test_nodes tests them with several nodes.
 */
#include "api/fixture.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memkind/internal/memkind_dax_kmem.h"
#include "memkind_memtier.h"

#define LIST     "MEMKIND_DAX_KMEM_NODES"
#define HBW_LIST "MEMKIND_HBW_NODES"
#define LISTED   4 /* the first kinds are those of each list */

static const struct {
    memkind_t *kind;
    int partition;
    const char *name;
    bool has_capacity;
} kinds[] = {
    {&MEMKIND_DAX_KMEM, MEMKIND_PARTITION_DAX_KMEM, "memkind_dax_kmem", true},
    {&MEMKIND_DAX_KMEM_ALL, MEMKIND_PARTITION_DAX_KMEM_ALL, "memkind_dax_kmem_all", true},
    {&MEMKIND_DAX_KMEM_PREFERRED, MEMKIND_PARTITION_DAX_KMEM_PREFERRED,
     "memkind_dax_kmem_preferred", false},
    {&MEMKIND_DAX_KMEM_INTERLEAVE, MEMKIND_PARTITION_DAX_KMEM_INTERLEAVE,
     "memkind_dax_kmem_interleave", true},
    {&MEMKIND_HBW, MEMKIND_PARTITION_HBW, "memkind_hbw", true},
    {&MEMKIND_HBW_ALL, MEMKIND_PARTITION_HBW_ALL, "memkind_hbw_all", true},
    {&MEMKIND_HBW_PREFERRED, MEMKIND_PARTITION_HBW_PREFERRED, "memkind_hbw_preferred", false},
    {&MEMKIND_HBW_INTERLEAVE, MEMKIND_PARTITION_HBW_INTERLEAVE, "memkind_hbw_interleave", true},
    {&MEMKIND_HIGHEST_CAPACITY, MEMKIND_PARTITION_HIGHEST_CAPACITY, "memkind_highest_capacity",
     true},
    {&MEMKIND_HIGHEST_CAPACITY_PREFERRED, MEMKIND_PARTITION_HIGHEST_CAPACITY_PREFERRED,
     "memkind_highest_capacity_preferred", false},
    {&MEMKIND_HIGHEST_CAPACITY_LOCAL, MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL,
     "memkind_highest_capacity_local", true},
    {&MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED, MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL_PREFERRED,
     "memkind_highest_capacity_local_preferred", false},
};

/* Without NUMA support in the kernel, these kinds do not exist. */
static bool has_nodes(void)
{
    if (syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0) == 0)
        return true;
    print_message("this kernel has no NUMA\n");
    return false;
}

static void check_kind(size_t i)
{
    memkind_t kind = *kinds[i].kind;

    assert_int_equal(memkind_check_available(kind), MEMKIND_SUCCESS);
    assert_int_equal(kind->partition, kinds[i].partition);
    assert_string_equal(kind->name, kinds[i].name);
    errno = 0;
    assert_int_equal(memkind_get_capacity(kind) > 0, kinds[i].has_capacity);
    assert_int_equal(errno, kinds[i].has_capacity ? 0 : EINVAL);
    for (size_t size = 1; size < 10 * MIB; size = size * 7 + 1) {
        char *block = memkind_calloc(kind, 1, size);

        assert_non_null(block);
        for (size_t at = 0; at < size; at++)
            assert_int_equal(block[at], 0);
        fixture_fill(block, size, 1);
        assert_ptr_equal(memkind_detect_kind(block), kind);
        block = memkind_realloc(kind, block, size + MIB);
        assert_true(fixture_is_filled(block, size, 1));
        memkind_free(NULL, block);
    }
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_every_kind(void **state)
{
    (void)state;
    if (!has_nodes())
        skip();
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        check_kind(i);
}

/* memtier's count of a kind returns to 0, whatever operations the blocks went through. */
static void test_memtier_counts(void **state)
{
    (void)state;
    if (!has_nodes())
        skip();
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        memkind_t kind = *kinds[i].kind;
        void *first = memtier_kind_malloc(kind, 100);
        void *second = memtier_kind_calloc(kind, 10, 1000);
        size_t held = memtier_usable_size(first) + memtier_usable_size(second);

        assert_int_equal(memtier_kind_allocated_size(kind), held);
        first = memtier_kind_realloc(NULL, first, MIB);
        held = memtier_usable_size(first) + memtier_usable_size(second);
        assert_int_equal(memtier_kind_allocated_size(kind), held);
        memtier_free(first);
        memtier_kind_free(kind, second);
        assert_int_equal(memtier_kind_allocated_size(kind), 0);
    }
}

static void test_nodemask(void **state)
{
    unsigned long mask[3] = {~0ul, ~0ul, ~0ul};

    (void)state;
    if (!has_nodes())
        skip();
    assert_int_equal(memkind_dax_kmem_all_get_mbind_nodemask(NULL, mask, 128), MEMKIND_SUCCESS);
    assert_int_equal(mask[0], 1);
    assert_int_equal(mask[1], 0);
    assert_int_equal(mask[2], ~0ul);
    assert_int_equal(memkind_dax_kmem_all_get_mbind_nodemask(NULL, mask, 1), MEMKIND_SUCCESS);
    assert_int_equal(memkind_dax_kmem_all_get_mbind_nodemask(NULL, mask, 0), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_dax_kmem_all_get_mbind_nodemask(NULL, NULL, 8), MEMKIND_ERROR_INVALID);
}

/* Kinds that the program creates from the operations. */
static void test_operations(void **state)
{
    struct memkind made = {0};

    (void)state;
    if (!has_nodes())
        skip();
    assert_int_equal(MEMKIND_DAX_KMEM_OPS.create(&made, &MEMKIND_DAX_KMEM_OPS, "mine"),
                     MEMKIND_SUCCESS);
    void *block = memkind_malloc(&made, 100);
    assert_non_null(block);
    assert_ptr_equal(memkind_detect_kind(block), &made);
    assert_int_equal(made.ops->finalize(&made), MEMKIND_SUCCESS);
}

/* -- Lists of nodes: each in a process of its own, since they are read once -------------------- */

/* Runs in the process that was started with a list. 0: all calls agree with the status. */
static int check_in_this_process(size_t first, int status)
{
    for (size_t i = first; i < first + LISTED; i++) {
        memkind_t kind = *kinds[i].kind;

        if (memkind_check_available(kind) != status || memkind_get_capacity(kind) != -1)
            return 1;
        errno = 0;
        if (memkind_malloc(kind, 100) != NULL || errno != ENOMEM)
            return 2;
        errno = 0;
        if (memkind_calloc(kind, 1, MIB) != NULL || errno != ENOMEM)
            return 3;
    }
    /* MEMKIND_HIGHEST_CAPACITY does not use the list. */
    return memkind_malloc(MEMKIND_HIGHEST_CAPACITY, 100) != NULL ? 0 : 4;
}

static void check_list(const char *variable, const char *list, int status)
{
    char text[16];
    int result = -1;

    snprintf(text, sizeof(text), "%d", status);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (list != NULL)
            setenv(variable, list, 1);
        else
            unsetenv(variable);
        execl("/proc/self/exe", "test_node_kinds", variable, text, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

static void test_lists(void **state)
{
    (void)state;
    if (!has_nodes())
        skip();
    for (int i = 0; i < 2; i++) {
        const char *variable = i == 0 ? LIST : HBW_LIST;

        check_list(variable, "x", MEMKIND_ERROR_ENVIRON);
        check_list(variable, "", MEMKIND_ERROR_ENVIRON);
        check_list(variable, "0,1000", MEMKIND_ERROR_ENVIRON);
        check_list(variable, "0,127", MEMKIND_ERROR_ENVIRON);
    }
}

/* Few machines have a device in system-ram mode. */
static void test_no_devices(void **state)
{
    (void)state;
    if (!has_nodes() || access("/sys/bus/dax/drivers/kmem", F_OK) == 0)
        skip();
    check_list(LIST, NULL, MEMKIND_ERROR_UNAVAILABLE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind), cmocka_unit_test(test_memtier_counts),
        cmocka_unit_test(test_nodemask),   cmocka_unit_test(test_operations),
        cmocka_unit_test(test_lists),      cmocka_unit_test(test_no_devices),
    };

    if (argc == 3)
        return check_in_this_process(strcmp(argv[1], LIST) == 0 ? 0 : LISTED, atoi(argv[2]));
    setenv(LIST, "0", 1);
    setenv(HBW_LIST, "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
