/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: with transparent_hugepage=always, the library's own data took 2 MiB of DRAM for each map.
 */
#include "api/fixture.h"

#include <pthread.h>

#define LARGE   (2 * MIB)
#define THREADS 6
#define STACK   (256 * KIB)
#define BLOCKS  200

static memkind_t kind;

static void *use(void *arg)
{
    void *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memkind_malloc(kind, 16 + i * 97 % 40000);
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
    return arg;
}

/* Returns whether a line of smaps begins a private, writable, nameless map. */
static bool is_anonymous(const char *line, unsigned long *first, unsigned long *end)
{
    char protection[5];
    unsigned long offset, inode;
    int named = 0;

    return sscanf(line, "%lx-%lx %4s %lx %*s %lu %n", first, end, protection, &offset, &inode,
                  &named) == 5 &&
           strcmp(protection, "rw-p") == 0 && inode == 0 && line[named] == '\0';
}

static bool can_have_a_large_page(unsigned long first, unsigned long end)
{
    unsigned long aligned = (first + LARGE - 1) & ~(LARGE - 1);

    return aligned + LARGE <= end;
}

/*
 * Returns the number of maps that could get a large page without advice, except the .bss of a
 * library. The flags of a map show whether it was advised against large pages.
 */
static size_t count_large(void)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    unsigned long first, end, inode, end_of_file = 0;
    bool matters = false;
    size_t count = 0;
    char line[512];

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (is_anonymous(line, &first, &end))
            matters = first != end_of_file && can_have_a_large_page(first, end);
        else if (strncmp(line, "VmFlags:", 8) == 0)
            count += matters && strstr(line, " nh") == NULL;
        else if (sscanf(line, "%lx-%lx %*s %*x %*s %lu", &first, &end, &inode) == 3) {
            matters = false;
            end_of_file = inode != 0 ? end : 0;
        }
    }
    fclose(file);
    return count;
}

/* Returns whether the kernel supports large pages, and shows the flags. */
static bool has_large_pages(void)
{
    size_t before = count_large();
    size_t size = 2 * LARGE;
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(map, MAP_FAILED);
    /* MADV_DONTFORK keeps the map apart from those that the process has already. */
    assert_int_equal(madvise(map, size, MADV_DONTFORK), 0);
    bool seen = count_large() > before;
    bool advised = madvise(map, size, MADV_NOHUGEPAGE) == 0 && count_large() == before;
    munmap(map, size);
    return seen && advised;
}

static void test_no_large_pages(void **state)
{
    pthread_t threads[THREADS];
    pthread_attr_t attributes;

    (void)state;
    if (FIXTURE_ASAN || FIXTURE_TSAN || !has_large_pages())
        skip();
    kind = fixture_pmem(0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], &attributes, use, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attributes);
    assert_int_equal(count_large(), 0);
    fixture_destroy(kind);
}

/* Blocks in DRAM follow the system's setting. */
static void test_default_heap_may_have_them(void **state)
{
    (void)state;
    if (FIXTURE_ASAN || FIXTURE_TSAN || !has_large_pages())
        skip();
    size_t before = count_large();
    void *block = memkind_malloc(MEMKIND_DEFAULT, 64 * MIB);
    assert_non_null(block);
    assert_true(count_large() > before);
    memkind_free(MEMKIND_DEFAULT, block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_no_large_pages),
        FIXTURE_TEST(test_default_heap_may_have_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
