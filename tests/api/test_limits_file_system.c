/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of kinds in file systems that are full, limited, or have few features. */
#include "api/fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "api/few_features.h"
#include "api/full_kind.h"
#include "support/own_mounts.h"

#define SMALL_FS   (32 * MIB)
#define FILE_LIMIT (24 * MIB)

/* -- RLIMIT_FSIZE ------------------------------------------------------------------------------ */

static struct rlimit set_file_size_limit(rlim_t bytes)
{
    struct rlimit old;
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return old;
}

/* SIGXFSZ kills memkind 1.14, and this program too if the library lets the signal through. */
static void test_file_size_limit(void **state)
{
    memkind_t kind = *state;
    struct rlimit old = set_file_size_limit(FILE_LIMIT);
    struct sigaction action;
    sigset_t pending;

    for (int round = 0; round < 3; round++) {
        size_t count = fill(kind, MIB);

        assert_true(count >= 1);
        assert_true(fixture_file_size(kind) <= FILE_LIMIT);
        for (size_t i = 0; i < count; i++)
            memset((char *)blocks[i] + sizeof(size_t), 1, MIB - sizeof(size_t));
        empty(kind, count);
    }
    errno = 0;
    assert_null(memkind_malloc(kind, 2 * FILE_LIMIT));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

    assert_int_equal(sigaction(SIGXFSZ, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGXFSZ), 0);
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &pending), 0);
    assert_int_equal(sigismember(&pending, SIGXFSZ), 0);
}

/* The kind uses the new room, although none of its blocks has been freed. */
static void test_file_size_limit_is_lifted(void **state)
{
    memkind_t kind = *state;
    struct rlimit old = set_file_size_limit(FILE_LIMIT);
    size_t count = fill(kind, MIB);

    assert_null(memkind_malloc(kind, MIB));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    void *block = memkind_malloc(kind, MIB);
    assert_non_null(block);
    memset(block, 1, MIB);
    memkind_free(kind, block);
    empty(kind, count);
}

/* -- File systems with few features ------------------------------------------------------------ */

static void use(memkind_t kind)
{
    static const size_t sizes[] = {10, 1000, 4096, 100 * KIB, 3 * MIB, 9 * MIB};

    for (int round = 0; round < 3; round++) {
        void *mine[COUNT_OF(sizes)];

        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            mine[i] =
                round == 1 ? memkind_calloc(kind, 1, sizes[i]) : memkind_malloc(kind, sizes[i]);
            assert_non_null(mine[i]);
            if (round == 1)
                assert_true(fixture_is_zero(mine[i], sizes[i]));
            fixture_fill(mine[i], sizes[i], (unsigned)i);
        }
        assert_true(fixture_file_space(kind) >= 12 * MIB);
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            assert_true(fixture_is_filled(mine[i], sizes[i], (unsigned)i));
            memkind_free(kind, mine[i]);
        }
    }
}

static void test_no_fallocate(void **state)
{
    (void)state;
    store.commit_error = EOPNOTSUPP;
    store.largest_piece = 0;
    memkind_t kind = fixture_pmem(0);
    memkind_t conservative = fixture_conservative_pmem(0);
    use(kind);
    use(conservative);
    fixture_destroy(kind);
    fixture_destroy(conservative);
}

static void test_no_large_piece(void **state)
{
    static const int errors[] = {EINVAL, EIO, EOPNOTSUPP};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        store.commit_error = errors[i];
        store.largest_piece = 2 * MIB;
        memkind_t kind = fixture_pmem(0);
        memkind_t conservative = fixture_conservative_pmem(0);
        use(kind);
        use(conservative);
        fixture_destroy(kind);
        fixture_destroy(conservative);
    }
}

/*
 * memkind 1.14 aborts at the first free. Here the kind keeps and reuses its file space until it is
 * destroyed.
 */
static void test_no_hole_punching(void **state)
{
    (void)state;
    store.release_error = EOPNOTSUPP;
    memkind_t kind = fixture_pmem(0);
    memkind_t conservative = fixture_conservative_pmem(0);
    use(kind);
    use(conservative);
    size_t held = fixture_file_space(conservative);
    assert_true(held >= 12 * MIB);
    for (int i = 0; i < 5; i++)
        use(conservative);
    assert_true(fixture_file_space(conservative) <= 2 * held);
    fixture_destroy(kind);
    fixture_destroy(conservative);
}

static void test_interrupted_fallocate(void **state)
{
    memkind_t kind = fixture_conservative_pmem(0);

    (void)state;
    for (int times = 1; times <= 5; times++) {
        atomic_store(&store.interrupts, times);
        void *block = memkind_malloc(kind, (10 + (size_t)times) * MIB);
        assert_non_null(block);
        assert_true(atomic_load(&store.interrupts) <= 0);
        memset(block, 1, 10 * MIB);
        memkind_free(kind, block);
    }
    fixture_destroy(kind);
}

/*
 * For each error and each call: NULL with ENOMEM, nothing held, and the kind works when the error
 * is gone.
 */
static void test_failing_fallocate(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EFBIG, ENOMEM, EIO};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        memkind_t kind = fixture_conservative_pmem(0);

        store.commit_error = errors[i];
        store.largest_piece = 0;
        for (size_t size = 8; size <= 16 * MIB; size *= 8) {
            errno = 0;
            assert_null(memkind_malloc(kind, size));
            assert_int_equal(errno, ENOMEM);
        }
        assert_int_equal(fixture_current_size(kind), 0);
        assert_int_equal(fixture_file_space(kind), 0);
        store.commit_error = 0;
        use(kind);
        fixture_destroy(kind);
    }
}

/* -- A file system that is full ---------------------------------------------------------------- */

static bool mounted;

/* A tmpfs of 32 MiB over the test's directory, in a mount namespace of its own. */
static int full_setup(void **state)
{
    /* Before the fixture records anything: in a chroot, descriptors have other names afterwards. */
    bool apart = geteuid() == 0 && own_mounts();
    int result = fixture_setup(state);

    mounted = apart && mount("none", fixture_dir, "tmpfs", 0, "size=32m") == 0;
    return result;
}

static int full_teardown(void **state)
{
    if (mounted && umount2(fixture_dir, MNT_DETACH) != 0)
        return -1;
    return store_teardown(state);
}

static size_t free_space(void)
{
    struct statvfs fs;

    assert_int_equal(statvfs(fixture_dir, &fs), 0);
    return fs.f_bfree * fs.f_frsize;
}

static void test_full_file_system(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    for (int round = 0; round < 4; round++) {
        memkind_t kind = round % 2 == 0 ? fixture_pmem(0) : fixture_pmem(2 * SMALL_FS);
        assert_int_equal(free_space(), SMALL_FS);
        size_t count = fill(kind, MIB);

        assert_int_equal(count, SMALL_FS / MIB);
        assert_int_equal(free_space(), 0);
        /* A page without file space would raise SIGBUS. */
        for (size_t i = 0; i < count; i++)
            memset((char *)blocks[i] + sizeof(size_t), 1, MIB - sizeof(size_t));
        if (round < 2) {
            empty(kind, count);
            void *block = memkind_malloc(kind, SMALL_FS);
            assert_non_null(block);
            memset(block, 1, SMALL_FS);
        }
        fixture_destroy(kind);
        assert_int_equal(free_space(), SMALL_FS);
    }
}

static void test_full_file_system_of_small_blocks(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    memkind_t kind = fixture_conservative_pmem(0);
    size_t count = fill(kind, 1024);
    assert_true(count * 1024 >= SMALL_FS - SMALL_FS / 20);
    for (size_t i = 0; i < count; i++)
        memset((char *)blocks[i] + sizeof(size_t), 1, 1024 - sizeof(size_t));
    empty(kind, count);
    assert_int_equal(free_space(), SMALL_FS);
    fixture_destroy(kind);
}

/* Space that another file takes and gives is recognised at once. */
static void test_file_system_filled_by_another(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    char path[TEST_DIR_PATH_SIZE + 16];
    memkind_t kind = fixture_pmem(0);
    snprintf(path, sizeof(path), "%s/other", fixture_dir);
    int other = open(path, O_CREAT | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    assert_true(other >= 0);
    assert_int_equal(unlink(path), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(syscall(SYS_fallocate, other, 0, 0, free_space()), 0);
        errno = 0;
        assert_null(memkind_malloc(kind, MIB));
        assert_int_equal(errno, ENOMEM);
        assert_null(memkind_malloc(kind, 10 * MIB));
        assert_int_equal(ftruncate(other, 0), 0);
        void *block = memkind_malloc(kind, MIB);
        assert_non_null(block);
        memset(block, 1, MIB);
        memkind_free(kind, block);
        fixture_destroy(kind);
        kind = fixture_pmem(0);
    }
    close(other);
    fixture_destroy(kind);
}

static void test_two_kinds_in_a_full_file_system(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    memkind_t first = fixture_conservative_pmem(0);
    memkind_t second = fixture_pmem(0);
    size_t count = fill(first, MIB);
    assert_null(memkind_malloc(second, 100));
    memkind_free(first, blocks[--count]);
    void *block = memkind_malloc(second, 100);
    assert_non_null(block);
    memkind_free(second, block);
    empty(first, count);
    block = memkind_malloc(second, SMALL_FS / 2);
    assert_non_null(block);
    memset(block, 1, SMALL_FS / 2);
    fixture_destroy(first);
    fixture_destroy(second);
    assert_int_equal(free_space(), SMALL_FS);
}

static void test_capacity_of_a_small_file_system(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    memkind_t kind = fixture_pmem(0);
    assert_int_equal(memkind_get_capacity(kind), SMALL_FS);
    fixture_destroy(kind);
}

#define FULL_TEST(function) cmocka_unit_test_setup_teardown(function, full_setup, full_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_file_size_limit),
        FIXTURE_TEST_ON_PMEM(test_file_size_limit_is_lifted),
        STORE_TEST(test_no_fallocate),
        STORE_TEST(test_no_large_piece),
        STORE_TEST(test_no_hole_punching),
        STORE_TEST(test_interrupted_fallocate),
        STORE_TEST(test_failing_fallocate),
        FULL_TEST(test_full_file_system),
        FULL_TEST(test_full_file_system_of_small_blocks),
        FULL_TEST(test_file_system_filled_by_another),
        FULL_TEST(test_two_kinds_in_a_full_file_system),
        FULL_TEST(test_capacity_of_a_small_file_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
