/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a daemon that created its kind as root and then gave up its user id got a third of the
 * blocks, and SIGBUS in some of them.
 */
#include "api/fixture.h"

#include <sys/mount.h>

#include "support/own_mounts.h"

#define NOBODY   65534
#define BLOCK    (3 * MIB / 2)
#define LIMIT    (32 * MIB)
#define FS_SIZE  "size=48m"
#define BLOCKS   64
#define ROUNDS   300
#define LIVE     200
#define BEHAVED  0
#define COUNTED  1 /* the account differs from the file */
#define TOO_FEW  2 /* too few blocks */
#define NOT_NULL 3 /* no NULL without space */

static bool mounted;
static unsigned blocks_as_root; /* that a kind has room for */

static int mount_setup(void **state)
{
    /* Before the fixture records anything, and for the whole process. */
    bool apart = geteuid() == 0 && own_mounts();
    int result = fixture_setup(state);

    mounted = apart && mount("none", fixture_dir, "tmpfs", 0, FS_SIZE) == 0;
    return result;
}

static int mount_teardown(void **state)
{
    if (mounted && umount2(fixture_dir, MNT_DETACH) != 0)
        return -1;
    return fixture_teardown(state);
}

static bool is_counted(memkind_t kind)
{
    return fixture_file_space(kind) == fixture_current_size(kind);
}

/* Allocates blocks until none is left, touches all of them, and frees them. */
static unsigned take_all(memkind_t kind, size_t size, bool *counted)
{
    void *blocks[BLOCKS];
    unsigned count = 0;

    while (count < BLOCKS && (blocks[count] = memkind_malloc(kind, size)) != NULL)
        memset(blocks[count++], 1, size);
    *counted = *counted && is_counted(kind);
    for (unsigned i = 0; i < count; i++)
        memkind_free(kind, blocks[i]);
    *counted = *counted && is_counted(kind);
    return count;
}

static bool use_at_random(memkind_t kind)
{
    static char *blocks[LIVE];
    unsigned seed = 1;
    bool counted = true;

    for (int i = 0; i < ROUNDS; i++) {
        char **block = &blocks[(unsigned)rand_r(&seed) % LIVE];
        size_t size = (size_t)8 << (unsigned)rand_r(&seed) % 18;

        memkind_free(kind, *block);
        *block = memkind_malloc(kind, size);
        if (*block != NULL)
            memset(*block, 1, size);
        counted = counted && is_counted(kind);
    }
    for (int i = 0; i < LIVE; i++)
        memkind_free(kind, blocks[i]);
    return counted;
}

/* The process ends here, because it cannot get its user id back. */
static int behave_as_nobody(memkind_t kind)
{
    bool counted = true;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return EXIT_FAILURE;
    counted = use_at_random(kind) && counted;
    unsigned after = take_all(kind, BLOCK, &counted);
    (void)take_all(kind, MIB, &counted);
    if (after < blocks_as_root)
        return TOO_FEW;
    return counted ? BEHAVED : COUNTED;
}

/* Fills the file system: malloc returns NULL, and earlier blocks can be touched. */
static int fill_as_nobody(memkind_t kind)
{
    bool counted = true;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return EXIT_FAILURE;
    for (int i = 0; i < 3; i++)
        if (take_all(kind, BLOCK, &counted) == BLOCKS)
            return NOT_NULL;
    counted = use_at_random(kind) && counted;
    return counted ? BEHAVED : COUNTED;
}

static void check(size_t max_size, bool conservative, int (*behave)(memkind_t kind))
{
    bool counted = true;
    memkind_t roots = fixture_pmem(LIMIT);
    blocks_as_root = take_all(roots, BLOCK, &counted);
    fixture_destroy(roots);
    pid_t child = fixture_fork();

    if (child == 0) {
        memkind_t kind =
            conservative ? fixture_conservative_pmem(max_size) : fixture_pmem(max_size);
        _exit(behave(kind));
    }
    assert_int_equal(fixture_wait(child), BEHAVED);
}

static void test_kind_is_as_large_as_before(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    check(LIMIT, false, behave_as_nobody);
    check(LIMIT, true, behave_as_nobody);
}

static void test_full_file_system_is_null(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    check(0, false, fill_as_nobody);
    check(0, true, fill_as_nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kind_is_as_large_as_before, mount_setup,
                                        mount_teardown),
        cmocka_unit_test_setup_teardown(test_full_file_system_is_null, mount_setup, mount_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
