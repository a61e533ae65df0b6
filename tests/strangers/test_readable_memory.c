/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a program that did not destroy its kind hung at its end under memcheck. memcheck reads
 * all readable memory to find leaks, and beyond the end of the kind's file each word raised SIGBUS.
 */
#include "api/fixture.h"

#define LINE_SIZE 512

/* Returns whether nothing of the kind's file is readable beyond its end. */
static bool ends_with_the_file(memkind_t kind)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t end = (fixture_file_size(kind) + page - 1) & ~(page - 1);
    FILE *file = fopen("/proc/self/maps", "re");
    char line[LINE_SIZE];
    unsigned maps = 0;
    bool within = true;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long first, last, offset;
        char access[5];

        if (strstr(line, fixture_dir) == NULL ||
            sscanf(line, "%lx-%lx %4s %lx", &first, &last, access, &offset) != 4)
            continue;
        maps++;
        within = within && (access[0] != 'r' || offset + (last - first) <= end);
    }
    fclose(file);
    assert_true(maps > 0);
    return within;
}

static void check(memkind_t kind)
{
    static const size_t sizes[] = {1, 100 * KIB, 3 * MIB, 70 * MIB, 5, 200 * MIB};
    void *blocks[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        blocks[i] = memkind_malloc(kind, sizes[i]);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, sizes[i]);
        assert_true(ends_with_the_file(kind));
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        memkind_free(kind, blocks[i]);
    assert_true(ends_with_the_file(kind));
    assert_null(memkind_malloc(kind, (size_t)1 << 45));
    assert_true(ends_with_the_file(kind));
    fixture_destroy(kind);
}

static void test_what_can_be_read_is_there(void **state)
{
    (void)state;
    check(fixture_pmem(0));
    check(fixture_pmem(GIB));
    check(fixture_conservative_pmem(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {FIXTURE_TEST(test_what_can_be_read_is_there)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
