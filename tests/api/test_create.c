/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of creating kinds and configurations: the file, the sizes, and every failure. */
#include "api/fixture.h"

#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#define NOBODY             65534
#define PERMISSIONS        07777
#define LONGEST_NAME       40
#define DESCRIPTORS_ENOUGH 64

static const memkind_t untouched = (memkind_t)0x5a5a;

/* -- The file ---------------------------------------------------------------------------------- */

static void test_file_has_no_name(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    DIR *dir = opendir(fixture_dir);
    struct dirent *entry;
    struct stat status;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        assert_true(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(dir);
    assert_int_equal(fstat(fixture_fd(kind), &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(status.st_nlink, 0);
    fixture_destroy(kind);
}

static void test_file_is_in_the_directory(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    struct stat file;
    struct stat dir;

    (void)state;
    assert_int_equal(fstat(fixture_fd(kind), &file), 0);
    assert_int_equal(stat(fixture_dir, &dir), 0);
    assert_int_equal(file.st_dev, dir.st_dev);
    fixture_destroy(kind);
}

static void test_file_is_for_its_owner_alone(void **state)
{
    mode_t mask = umask(0);
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    struct stat status;

    (void)state;
    umask(mask);
    assert_int_equal(fstat(fixture_fd(kind), &status), 0);
    assert_int_equal(status.st_mode & PERMISSIONS, S_IRUSR | S_IWUSR);
    assert_int_equal(status.st_uid, geteuid());
    fixture_destroy(kind);
}

/* memkind 1.14 leaves the descriptors of its files open across exec. */
static void test_every_descriptor_is_close_on_exec(void **state)
{
    struct leftovers *before = &fixture_before;
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    size_t seen = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char line[32];
        int fd;

        if (sscanf(entry->d_name, "%d", &fd) != 1 || fd == dirfd(dir))
            continue;
        snprintf(line, sizeof(line), "\n%d -> ", fd);
        if (strstr(before->descriptors, line) != NULL ||
            strstr(before->descriptors, line + 1) == before->descriptors)
            continue;
        seen++;
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    closedir(dir);
    assert_true(seen >= 1);
    fixture_destroy(kind);
}

/* The same, checked in a program that the process executes. */
static void test_no_descriptor_survives_exec(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    int fd = fixture_fd(kind);
    pid_t child = fixture_fork();

    (void)state;
    if (child == 0) {
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        execlp("test", "test", "-e", path, (char *)NULL);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 1);
    fixture_destroy(kind);
}

static void test_no_file_space_is_taken_yet(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    memkind_t unlimited = fixture_pmem(0);

    (void)state;
    assert_int_equal(fixture_file_space(kind), 0);
    assert_int_equal(fixture_file_space(unlimited), 0);
    assert_int_equal(fixture_current_size(kind), 0);
    fixture_destroy(kind);
    fixture_destroy(unlimited);
}

/* -- Sizes ------------------------------------------------------------------------------------- */

static void test_sizes_below_the_least_are_refused(void **state)
{
    static const size_t sizes[] = {1,
                                   4096,
                                   MEMKIND_PMEM_CHUNK_SIZE,
                                   MEMKIND_PMEM_MIN_SIZE / 2,
                                   MEMKIND_PMEM_MIN_SIZE - MEMKIND_PMEM_CHUNK_SIZE,
                                   MEMKIND_PMEM_MIN_SIZE - 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memkind_t kind = untouched;

        assert_int_equal(memkind_create_pmem(fixture_dir, sizes[i], &kind), MEMKIND_ERROR_INVALID);
        assert_ptr_equal(kind, untouched);
    }
}

static void test_sizes_are_rounded_up_to_a_chunk(void **state)
{
    static const size_t chunk = MEMKIND_PMEM_CHUNK_SIZE;
    static const size_t least = MEMKIND_PMEM_MIN_SIZE;
    static const size_t sizes[][2] = {
        {least, least},
        {least + 1, least + chunk},
        {least + 4096, least + chunk},
        {least + chunk - 1, least + chunk},
        {least + chunk, least + chunk},
        {(size_t)1 << 40, (size_t)1 << 40},
        {((size_t)1 << 40) + 1, ((size_t)1 << 40) + chunk},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memkind_t kind = fixture_pmem(sizes[i][0]);

        assert_int_equal(memkind_get_capacity(kind), sizes[i][1]);
        assert_int_equal(((struct memkind_pmem *)kind->priv)->max_size, sizes[i][1]);
        fixture_destroy(kind);
    }
}

/* Sizes too large to be rounded up are accepted. */
static void test_the_largest_sizes(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - MEMKIND_PMEM_CHUNK_SIZE + 2,
                                   SIZE_MAX - MEMKIND_PMEM_CHUNK_SIZE + 1, SSIZE_MAX,
                                   (size_t)1 << 50};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memkind_t kind = untouched;

        assert_int_equal(memkind_create_pmem(fixture_dir, sizes[i], &kind), MEMKIND_SUCCESS);
        void *block = memkind_malloc(kind, MIB);
        assert_non_null(block);
        memkind_free(kind, block);
        fixture_destroy(kind);
    }
}

static void test_size_0_is_limited_by_the_file_system_alone(void **state)
{
    memkind_t kind = fixture_pmem(0);
    size_t size = (size_t)MEMKIND_PMEM_MIN_SIZE * 4;
    char *block = memkind_malloc(kind, size);

    (void)state;
    assert_non_null(block);
    block[size - 1] = 1;
    assert_true(fixture_file_space(kind) >= size);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

/* -- Directories ------------------------------------------------------------------------------- */

static void expect_refused(const char *dir, int error)
{
    memkind_t kind = untouched;

    errno = 0;
    assert_int_equal(memkind_create_pmem(dir, MEMKIND_PMEM_MIN_SIZE, &kind), MEMKIND_ERROR_INVALID);
    assert_int_equal(errno, error);
    assert_ptr_equal(kind, untouched);
}

static void test_directory_is_missing(void **state)
{
    char path[TEST_DIR_PATH_SIZE + 16];

    (void)state;
    snprintf(path, sizeof(path), "%s/missing", fixture_dir);
    expect_refused(path, ENOENT);
    snprintf(path, sizeof(path), "%s/missing/below", fixture_dir);
    expect_refused(path, ENOENT);
    expect_refused("", ENOENT);
}

static void test_directory_is_a_file(void **state)
{
    char path[TEST_DIR_PATH_SIZE + 16];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/file", fixture_dir);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
    assert_true(fd >= 0);
    close(fd);
    expect_refused(path, ENOTDIR);
    expect_refused("/dev/null", ENOTDIR);
    assert_int_equal(unlink(path), 0);
}

static void test_directory_cannot_be_written_to(void **state)
{
    uid_t user = geteuid();

    (void)state;
    assert_int_equal(chmod(fixture_dir, S_IRUSR | S_IXUSR), 0);
    /* Permissions do not apply to root. */
    if (user == 0)
        assert_int_equal(chmod(fixture_dir, S_IRWXU | S_IROTH | S_IXOTH), 0);
    if (user == 0)
        assert_int_equal(seteuid(NOBODY), 0);
    memkind_t kind = untouched;
    errno = 0;
    int result = memkind_create_pmem(fixture_dir, MEMKIND_PMEM_MIN_SIZE, &kind);
    int error = errno;
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(fixture_dir, S_IRWXU), 0);
    assert_int_equal(result, MEMKIND_ERROR_INVALID);
    assert_int_equal(error, EACCES);
    assert_ptr_equal(kind, untouched);
}

static void test_path_is_too_long(void **state)
{
    static char path[2 * PATH_MAX];

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    expect_refused(path, ENAMETOOLONG);
    path[NAME_MAX + 2] = '\0'; /* one name, one byte too long */
    expect_refused(path, ENAMETOOLONG);
}

static void test_path_is_missing_altogether(void **state)
{
    memkind_t kind = untouched;

    (void)state;
    assert_int_equal(memkind_create_pmem(NULL, MEMKIND_PMEM_MIN_SIZE, &kind),
                     MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, untouched);
    assert_int_equal(memkind_create_pmem(fixture_dir, MEMKIND_PMEM_MIN_SIZE, NULL),
                     MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_create_pmem_with_config(NULL, &kind), MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, untouched);
}

static void test_no_descriptor_is_left(void **state)
{
    struct rlimit old;
    struct rlimit none;
    memkind_t kind = untouched;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    errno = 0;
    int result = memkind_create_pmem(fixture_dir, MEMKIND_PMEM_MIN_SIZE, &kind);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(result, MEMKIND_ERROR_INVALID);
    assert_int_equal(error, EMFILE);
    assert_ptr_equal(kind, untouched);
}

/* Whichever descriptor of a kind is refused, the creation fails and leaves nothing. */
static void test_descriptors_end_in_the_middle(void **state)
{
    struct rlimit old;
    memkind_t kind = untouched;
    int result = MEMKIND_ERROR_INVALID;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (rlim_t limit = 0; limit < DESCRIPTORS_ENOUGH && result != MEMKIND_SUCCESS; limit++) {
        struct rlimit few = {.rlim_cur = limit, .rlim_max = old.rlim_max};

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        result = memkind_create_pmem(fixture_dir, MEMKIND_PMEM_MIN_SIZE, &kind);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (result != MEMKIND_SUCCESS) {
            assert_ptr_equal(kind, untouched);
            leftovers_check(&fixture_before);
        }
    }
    assert_int_equal(result, MEMKIND_SUCCESS);
    fixture_destroy(kind);
}

/*
 * memkind 1.14 copies the directory's name without its terminator. The capacity of an unlimited
 * kind then cannot be determined for some lengths of the name.
 */
static void test_names_of_every_length(void **state)
{
    struct statvfs fs;

    (void)state;
    assert_int_equal(statvfs(fixture_dir, &fs), 0);
    for (size_t length = 1; length <= LONGEST_NAME; length++) {
        char path[TEST_DIR_PATH_SIZE + LONGEST_NAME + 2];
        int used = snprintf(path, sizeof(path), "%s/", fixture_dir);
        memkind_t kind = untouched;

        memset(path + used, 'd', length);
        path[(size_t)used + length] = '\0';
        assert_int_equal(mkdir(path, S_IRWXU), 0);
        assert_int_equal(memkind_create_pmem(path, 0, &kind), MEMKIND_SUCCESS);
        assert_string_equal(((struct memkind_pmem *)kind->priv)->dir, path);
        assert_int_equal(memkind_get_capacity(kind), fs.f_blocks * fs.f_frsize);
        fixture_destroy(kind);
        assert_int_equal(rmdir(path), 0);
    }
}

static void test_relative_paths_and_links(void **state)
{
    char link[TEST_DIR_PATH_SIZE + 16];
    memkind_t kind;
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_true(here >= 0);
    assert_int_equal(chdir(fixture_dir), 0);
    assert_int_equal(memkind_create_pmem(".", MEMKIND_PMEM_MIN_SIZE, &kind), MEMKIND_SUCCESS);
    assert_int_equal(fchdir(here), 0);
    close(here);
    fixture_destroy(kind);

    snprintf(link, sizeof(link), "%s/link", fixture_dir);
    assert_int_equal(symlink(".", link), 0);
    assert_int_equal(memkind_create_pmem(link, MEMKIND_PMEM_MIN_SIZE, &kind), MEMKIND_SUCCESS);
    assert_int_equal(unlink(link), 0);
    void *block = memkind_malloc(kind, MIB);
    assert_non_null(block);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

/* The directory may be removed and replaced: the kind keeps the one that it opened. */
static void test_directory_is_removed_while_the_kind_lives(void **state)
{
    char path[TEST_DIR_PATH_SIZE + 16];
    memkind_t kind;

    (void)state;
    snprintf(path, sizeof(path), "%s/gone", fixture_dir);
    assert_int_equal(mkdir(path, S_IRWXU), 0);
    assert_int_equal(memkind_create_pmem(path, 0, &kind), MEMKIND_SUCCESS);
    assert_int_equal(rmdir(path), 0);
    char *block = memkind_malloc(kind, MIB);
    assert_non_null(block);
    block[0] = 1;
    assert_true(memkind_get_capacity(kind) > 0);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

/* -- Partitions -------------------------------------------------------------------------------- */

static memkind_t kind_of_partition(int partition, int *result)
{
    memkind_t kind = untouched;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    *result = memkind_get_kind_by_partition(partition, &kind);
#pragma GCC diagnostic pop
    return kind;
}

/* memkind 1.14 can give two live kinds the same partition after an earlier kind was destroyed. */
static void test_live_kinds_have_different_partitions(void **state)
{
    enum { KINDS = 8, ROUNDS = 40 };
    memkind_t kinds[KINDS];
    int result;

    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        kinds[i] = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t gone = (round * 5) % KINDS;

        fixture_destroy(kinds[gone]);
        kinds[gone] = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
        for (size_t i = 0; i < KINDS; i++) {
            assert_ptr_equal(kind_of_partition((int)kinds[i]->partition, &result), kinds[i]);
            assert_int_equal(result, MEMKIND_SUCCESS);
            for (size_t j = 0; j < i; j++)
                assert_int_not_equal(kinds[i]->partition, kinds[j]->partition);
        }
    }
    for (size_t i = 0; i < KINDS; i++)
        fixture_destroy(kinds[i]);
}

static void test_partitions_of_the_library(void **state)
{
    int result;

    (void)state;
    assert_ptr_equal(kind_of_partition(MEMKIND_PARTITION_DEFAULT, &result), MEMKIND_DEFAULT);
    assert_int_equal(result, MEMKIND_SUCCESS);
    assert_ptr_equal(kind_of_partition(MEMKIND_PARTITION_REGULAR, &result), MEMKIND_REGULAR);
    assert_int_equal(result, MEMKIND_SUCCESS);
    assert_ptr_equal(kind_of_partition(MEMKIND_PARTITION_HBW, &result), MEMKIND_HBW);
    assert_int_equal(result, MEMKIND_SUCCESS);
    assert_null(kind_of_partition(MEMKIND_NUM_BASE_KIND, &result));
    assert_int_equal(result, MEMKIND_ERROR_UNAVAILABLE);
    assert_null(kind_of_partition(-1, &result));
    assert_int_equal(result, MEMKIND_ERROR_UNAVAILABLE);
    assert_null(kind_of_partition(INT_MAX, &result));
    assert_int_equal(result, MEMKIND_ERROR_UNAVAILABLE);
}

/* -- Configurations ---------------------------------------------------------------------------- */

static void test_new_configuration(void **state)
{
    /* malloc() reuses this memory, which is not zero. */
    void *dirty = malloc(sizeof(struct memkind_config));

    (void)state;
    assert_non_null(dirty);
    memset(dirty, 0xa5, sizeof(struct memkind_config));
    free(dirty);
    struct memkind_config *config = memkind_config_new();
    assert_non_null(config);
    assert_null(config->pmem_dir);
    assert_int_equal(config->pmem_size, 0);
    assert_int_equal(config->policy, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    memkind_config_delete(config);
    memkind_config_delete(NULL);
}

static void test_configuration_without_a_path(void **state)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = untouched;

    (void)state;
    memkind_config_set_size(config, MEMKIND_PMEM_MIN_SIZE);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, untouched);
    memkind_config_set_path(config, fixture_dir);
    assert_int_equal(memkind_create_pmem_with_config(config, NULL), MEMKIND_ERROR_INVALID);
    memkind_config_delete(config);
}

static void test_configuration_borrows_the_path_until_create(void **state)
{
    char *path =
        strdup("/nowhere/that/is/long/enough/for/the/directory/of/the/test/to/fit/in/its/place");
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;

    (void)state;
    assert_true(strlen(fixture_dir) <= strlen(path));
    memkind_config_set_path(config, path);
    snprintf(path, strlen(path) + 1, "%s", fixture_dir);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    /* The kind no longer needs the path or the configuration. */
    memset(path, '!', strlen(path));
    free(path);
    memkind_config_delete(config);
    assert_string_equal(((struct memkind_pmem *)kind->priv)->dir, fixture_dir);
    assert_true(memkind_get_capacity(kind) > 0);
    void *block = memkind_malloc(kind, MIB);
    assert_non_null(block);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

static void test_configuration_serves_many_kinds(void **state)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kinds[3];

    (void)state;
    memkind_config_set_path(config, fixture_dir);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        memkind_config_set_size(config, MEMKIND_PMEM_MIN_SIZE * (i + 1));
        assert_int_equal(memkind_create_pmem_with_config(config, &kinds[i]), MEMKIND_SUCCESS);
    }
    memkind_config_delete(config);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_int_equal(memkind_get_capacity(kinds[i]), MEMKIND_PMEM_MIN_SIZE * (i + 1));
        fixture_destroy(kinds[i]);
    }
}

static void test_configuration_with_a_wrong_size(void **state)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = untouched;

    (void)state;
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_size(config, MEMKIND_PMEM_MIN_SIZE - 1);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, untouched);
    memkind_config_delete(config);
}

/* memkind 1.14 reports success when the policy cannot be set. */
static void test_configuration_with_a_wrong_policy(void **state)
{
    static const int policies[] = {-1, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE, 99, INT_MAX, INT_MIN};
    struct memkind_config *config = memkind_config_new();

    (void)state;
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_size(config, MEMKIND_PMEM_MIN_SIZE);
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        memkind_t kind = untouched;

        memkind_config_set_memory_usage_policy(config, (memkind_mem_usage_policy)policies[i]);
        assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_INVALID);
        assert_ptr_equal(kind, untouched);
        leftovers_check(&fixture_before);
    }
    memkind_config_delete(config);
}

/* -- DAX --------------------------------------------------------------------------------------- */

/* Returns the result that the kernel's answer for a file in the directory implies. */
static int expected_of_dax(const char *dir)
{
    char path[TEST_DIR_PATH_SIZE + 16];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    snprintf(path, sizeof(path), "%s/probe", dir);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, (off_t)page), 0);
    void *mapped = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
    if (mapped != MAP_FAILED)
        munmap(mapped, page);
    close(fd);
    return mapped != MAP_FAILED ? MEMKIND_SUCCESS : MEMKIND_ERROR_MMAP;
}

static void test_dax_path(void **state)
{
    char missing[TEST_DIR_PATH_SIZE + 16];
    int expected = expected_of_dax(fixture_dir);

    (void)state;
    snprintf(missing, sizeof(missing), "%s/missing", fixture_dir);
    assert_int_equal(memkind_check_dax_path(fixture_dir), expected);
    assert_int_equal(memkind_pmem_validate_dir(fixture_dir), expected);
    assert_int_equal(memkind_check_dax_path(missing), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(memkind_pmem_validate_dir(missing), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(memkind_check_dax_path(NULL), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(memkind_pmem_validate_dir(NULL), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(memkind_check_dax_path("/dev/null"), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(memkind_check_dax_path("/proc"), MEMKIND_ERROR_RUNTIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_file_has_no_name),
        FIXTURE_TEST(test_file_is_in_the_directory),
        FIXTURE_TEST(test_file_is_for_its_owner_alone),
        FIXTURE_TEST(test_every_descriptor_is_close_on_exec),
        FIXTURE_TEST(test_no_descriptor_survives_exec),
        FIXTURE_TEST(test_no_file_space_is_taken_yet),
        FIXTURE_TEST(test_sizes_below_the_least_are_refused),
        FIXTURE_TEST(test_sizes_are_rounded_up_to_a_chunk),
        FIXTURE_TEST(test_the_largest_sizes),
        FIXTURE_TEST(test_size_0_is_limited_by_the_file_system_alone),
        FIXTURE_TEST(test_directory_is_missing),
        FIXTURE_TEST(test_directory_is_a_file),
        FIXTURE_TEST(test_directory_cannot_be_written_to),
        FIXTURE_TEST(test_path_is_too_long),
        FIXTURE_TEST(test_path_is_missing_altogether),
        FIXTURE_TEST(test_no_descriptor_is_left),
        FIXTURE_TEST(test_descriptors_end_in_the_middle),
        FIXTURE_TEST(test_names_of_every_length),
        FIXTURE_TEST(test_relative_paths_and_links),
        FIXTURE_TEST(test_directory_is_removed_while_the_kind_lives),
        FIXTURE_TEST(test_live_kinds_have_different_partitions),
        FIXTURE_TEST(test_partitions_of_the_library),
        FIXTURE_TEST(test_new_configuration),
        FIXTURE_TEST(test_configuration_without_a_path),
        FIXTURE_TEST(test_configuration_borrows_the_path_until_create),
        FIXTURE_TEST(test_configuration_serves_many_kinds),
        FIXTURE_TEST(test_configuration_with_a_wrong_size),
        FIXTURE_TEST(test_configuration_with_a_wrong_policy),
        FIXTURE_TEST(test_dax_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
