/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: the output of a program with closed streams, or to files that it opened after it had
 * closed all descriptors, was written into the heap; and the heap was written into the program's
 * files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"
#include "support/leftovers.h"

#define BLOCKS     2000
#define BLOCK_SIZE ((size_t)4096)
#define BIG        ((size_t)3 << 20)
#define BIGS       6
#define FILES      20
#define NUMBERS    2048 /* all lower numbers are closed */
#define NOBODY     65534
#define TEXT       "a line of the program's\n"

/* A case runs in a process of its own. It returns 0, or the line of the failed check. */
#define NEED(condition)      \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

static char dir_path[TEST_DIR_PATH_SIZE];
static memkind_t kind;
static unsigned char *blocks[BLOCKS];
static int own_files[FILES];
static int own_count;

/* -- What cases do ----------------------------------------------------------------------------- */

static int number_of_file(void)
{
    return ((const struct memkind_pmem *)kind->priv)->fd;
}

static int create(memkind_fork_mode fork_mode)
{
    struct memkind_config *config = memkind_config_new();

    NEED(config != NULL);
    memkind_config_set_path(config, dir_path);
    memkind_config_set_fork(config, fork_mode);
    int status = memkind_create_pmem_with_config(config, &kind);
    memkind_config_delete(config);
    NEED(status == MEMKIND_SUCCESS);
    return 0;
}

static int fill_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, BLOCK_SIZE);
        NEED(blocks[i] != NULL);
        memset(blocks[i], i, BLOCK_SIZE);
    }
    return 0;
}

static int check_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++)
        for (size_t at = 0; at < BLOCK_SIZE; at++)
            NEED(blocks[i][at] == (unsigned char)i);
    return 0;
}

/* Frees some blocks, and allocates them again. */
static int change_blocks(void)
{
    for (int i = 0; i < BLOCKS; i += 40) {
        memkind_free(kind, blocks[i]);
        blocks[i] = memkind_malloc(kind, BLOCK_SIZE);
        NEED(blocks[i] != NULL);
        memset(blocks[i], i, BLOCK_SIZE);
    }
    return check_blocks();
}

/*
 * Allocates and frees large blocks, so that the file grows and gets holes. Returns how many were
 * allocated.
 */
static int use_large_blocks(void)
{
    unsigned char *large[BIGS];
    int had = 0;

    kind->ops->update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    for (int i = 0; i < BIGS; i++) {
        large[i] = memkind_malloc(kind, BIG);
        if (large[i] == NULL)
            continue;
        memset(large[i], i, BIG);
        had++;
    }
    for (int i = 0; i < BIGS; i++)
        memkind_free(kind, large[i]);
    return had;
}

/* The first step of a daemon. */
static void close_all(void)
{
    for (int fd = 0; fd < NUMBERS; fd++)
        close(fd);
}

static int make_own_file(int number)
{
    int fd = open(dir_path, O_TMPFILE | O_RDWR, 0600);

    NEED(fd >= 0);
    NEED(write(fd, TEXT, sizeof(TEXT)) == sizeof(TEXT));
    if (number >= 0 && number != fd) {
        NEED(dup2(fd, number) == number);
        close(fd);
        fd = number;
    }
    own_files[own_count++] = fd;
    return 0;
}

/*
 * Opens files of the program in the heap's directory: one of them with the number of the heap's
 * former descriptor, the others with the lowest numbers.
 */
static int make_own_files(int number)
{
    int err = make_own_file(number);

    while (err == 0 && own_count < FILES)
        err = make_own_file(-1);
    return err;
}

static int check_own_files(void)
{
    struct stat status;
    char text[sizeof(TEXT)];

    for (int i = 0; i < own_count; i++) {
        NEED(fstat(own_files[i], &status) == 0);
        NEED(status.st_size == sizeof(TEXT));
        NEED(pread(own_files[i], text, sizeof(text), 0) == (ssize_t)sizeof(text));
        NEED(memcmp(text, TEXT, sizeof(TEXT)) == 0);
    }
    return 0;
}

static int destroy_and_check(void)
{
    NEED(memkind_destroy_kind(kind) == 0);
    return check_own_files();
}

static int status_of_child(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        return __LINE__;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* An exit status has eight bits. */
static int as_exit_status(int line)
{
    return line == 0 ? 0 : line % 255 + 1;
}

#define TRY(call)        \
    do {                 \
        int line = call; \
        if (line != 0)   \
            return line; \
    } while (0)

/* -- Cases ------------------------------------------------------------------------------------- */

static int printing_with_closed_streams(void)
{
    close(0);
    close(1);
    close(2);
    TRY(create(MEMKIND_FORK_SHARE));
    TRY(fill_blocks());
    NEED(number_of_file() > 2);
    for (int i = 0; i < BLOCKS; i++) {
        printf("%s", TEXT);
        fprintf(stderr, "%s", TEXT);
        (void)!write(0, TEXT, sizeof(TEXT));
    }
    fflush(stdout);
    return check_blocks();
}

static int closing_all(memkind_fork_mode fork_mode, bool privileged)
{
    TRY(create(fork_mode));
    TRY(fill_blocks());
    int number = number_of_file();
    close_all();
    TRY(make_own_files(number));
    if (!privileged && geteuid() == 0)
        NEED(setuid(NOBODY) == 0);
    TRY(check_blocks());
    if (use_large_blocks() == BIGS)
        NEED(privileged || geteuid() == NOBODY);
    TRY(check_own_files());
    TRY(change_blocks());
    return destroy_and_check();
}

static int daemon_that_may_open_again(void)
{
    return closing_all(MEMKIND_FORK_SHARE, true);
}

static int daemon_without_privileges(void)
{
    return closing_all(MEMKIND_FORK_SHARE, false);
}

static int closing_all_before_the_first_block(void)
{
    TRY(create(MEMKIND_FORK_SHARE));
    int number = number_of_file();
    close_all();
    TRY(make_own_files(number));
    (void)use_large_blocks();
    TRY(check_own_files());
    return destroy_and_check();
}

static int same_without_privileges(void)
{
    TRY(create(MEMKIND_FORK_SHARE));
    int number = number_of_file();
    close_all();
    TRY(make_own_files(number));
    if (geteuid() == 0)
        NEED(setuid(NOBODY) == 0);
    errno = 0;
    NEED(use_large_blocks() == 0);
    NEED(errno == ENOMEM);
    return destroy_and_check();
}

static int child_after_closing_all(memkind_fork_mode fork_mode)
{
    TRY(create(fork_mode));
    TRY(fill_blocks());
    int number = number_of_file();
    close_all();
    TRY(make_own_files(number));
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        int line = check_blocks();
        if (line == 0 && use_large_blocks() != BIGS)
            line = __LINE__;
        if (line == 0)
            line = change_blocks();
        if (line == 0)
            line = destroy_and_check();
        _exit(as_exit_status(line));
    }
    TRY(status_of_child(child));
    TRY(check_blocks());
    TRY(change_blocks());
    return destroy_and_check();
}

static int child_that_shares(void)
{
    return child_after_closing_all(MEMKIND_FORK_SHARE);
}

static int child_with_a_copy(void)
{
    return child_after_closing_all(MEMKIND_FORK_SNAPSHOT);
}

/* The usual daemon: the child closes all, changes to the root directory, and opens its log. */
static int daemon_in_a_relative_directory(void)
{
    NEED(chdir(dir_path) == 0);
    NEED(memkind_create_pmem(".", 0, &kind) == 0);
    TRY(fill_blocks());
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        close_all();
        int line = chdir("/") == 0 ? make_own_files(number_of_file()) : __LINE__;
        if (line == 0 && use_large_blocks() != BIGS)
            line = __LINE__;
        if (line == 0)
            line = destroy_and_check();
        _exit(as_exit_status(line));
    }
    return status_of_child(child);
}

static int limit_that_is_lowered(void)
{
    struct rlimit limit = {.rlim_cur = 4, .rlim_max = 4};

    TRY(create(MEMKIND_FORK_SHARE));
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TRY(fill_blocks());
    NEED(use_large_blocks() == BIGS);
    TRY(change_blocks());
    return destroy_and_check();
}

/* All numbers are used: a heap needs no new one, a kind needs two. */
static int no_number_is_left(void)
{
    memkind_t another;
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};

    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TRY(create(MEMKIND_FORK_SHARE));
    while (dup(STDIN_FILENO) >= 0)
        ;
    NEED(memkind_create_pmem("/dev/shm", 0, &another) == MEMKIND_ERROR_INVALID);
    NEED(errno == EMFILE);
    TRY(fill_blocks());
    NEED(use_large_blocks() == BIGS);
    return destroy_and_check();
}

static int tiny_limit(void)
{
    for (rlim_t most = 12; most > 2; most--) {
        struct rlimit limit = {.rlim_cur = most, .rlim_max = NUMBERS};

        NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        int status = memkind_create_pmem(dir_path, 0, &kind);
        NEED(status == 0 || (status == MEMKIND_ERROR_INVALID && errno == EMFILE && most < 8));
        if (status != 0)
            continue;
        NEED(number_of_file() > 2 && number_of_file() < (int)most);
        TRY(fill_blocks());
        TRY(check_blocks());
        NEED(memkind_destroy_kind(kind) == 0);
    }
    return 0;
}

/* The kernel's table is as long as the highest number. */
static int enormous_limit(void)
{
    struct rlimit limit;

    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TRY(create(MEMKIND_FORK_SHARE));
    NEED(number_of_file() < 1024);
    TRY(fill_blocks());
    return destroy_and_check();
}

/* -- Running them ------------------------------------------------------------------------------ */

static void run(int (*run_case)(void), const char *dir)
{
    static struct leftovers before;

    leftovers_take(&before, NULL);
    snprintf(dir_path, sizeof(dir_path), "%s/descriptors-XXXXXX", dir);
    assert_non_null(mkdtemp(dir_path));
    assert_int_equal(chmod(dir_path, 0777), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(as_exit_status(run_case()));
    int status = status_of_child(child);
    if (status != 0)
        print_error("in %s: line %d or so (modulo 255)\n", dir_path, status - 1);
    assert_int_equal(rmdir(dir_path), 0);
    assert_int_equal(status, 0);
    leftovers_check(&before);
}

/* A data pointer, because cmocka passes no function pointers. */
struct wanted {
    int (*run)(void);
};

/* In memory, and on a disk, where inode numbers are reused at once. */
static void run_everywhere(void **state)
{
    const struct wanted *wanted = *state;
    struct statfs fs;

    run(wanted->run, test_dir());
    if (statfs("/var/tmp", &fs) == 0 && fs.f_type != TMPFS_MAGIC)
        run(wanted->run, "/var/tmp");
}

#define CASE(name)                                          \
    {                                                       \
#        name, run_everywhere, NULL, NULL, &(struct wanted) \
        {                                                   \
            .run = name                                     \
        }                                                   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(printing_with_closed_streams),
        CASE(daemon_that_may_open_again),
        CASE(daemon_without_privileges),
        CASE(closing_all_before_the_first_block),
        CASE(same_without_privileges),
        CASE(child_that_shares),
        CASE(child_with_a_copy),
        CASE(daemon_in_a_relative_directory),
        CASE(limit_that_is_lowered),
        CASE(no_number_is_left),
        CASE(tiny_limit),
        CASE(enormous_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
