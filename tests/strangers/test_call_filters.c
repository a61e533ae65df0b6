/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: in a container, whose filter answers system calls with EPERM or ENOSYS, the first malloc
 * returned NULL.
 *
 * The program executes itself under a filter for each call that the library makes, and each answer.
 * A kind in a file, and the node kinds, must allocate, or fail with an error code or ENOMEM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"
#include "memkind/internal/memkind_private.h"
#include "support/call_filter.h"
#include "support/leftovers.h"

#define BLOCKS      10000
#define LARGE       ((size_t)3 << 20)
#define KIND_SIZE   ((size_t)64 << 20)
#define STAT_BLOCK  512
#define SECONDS     120 /* limit of one life, for a hang */
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* A bit of MADV_POPULATE_WRITE that no older advice used by the library has. */
#define MADVISE_POPULATE 0x10u
#define FALLOCATE_PUNCH  0x02u /* FALLOC_FL_PUNCH_HOLE */

enum { SERVED = 0, REFUSED = 3, NO_FILTER = 4 };

/* -- A life under a filter --------------------------------------------------------------------- */

static bool refused;

static void refuse(const char *what)
{
    fprintf(stderr, "    refused: %s (errno %d)\n", what, errno);
    refused = true;
}

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "    not so: %s (errno %d)\n", what, errno);
    _exit(1);
}

static unsigned char *blocks[BLOCKS];

static size_t size_of(size_t i)
{
    return i % 500 == 0 ? 100000 : i % 700 + 1;
}

static void check_block(size_t i)
{
    for (size_t at = 0; at < size_of(i); at++)
        demand(blocks[i][at] == (unsigned char)i, "blocks are whole");
}

static void take_blocks(memkind_t kind, size_t step)
{
    for (size_t i = 0; i < BLOCKS; i += step) {
        errno = 0;
        blocks[i] = memkind_malloc(kind, size_of(i));
        if (blocks[i] != NULL) {
            memset(blocks[i], (int)i, size_of(i));
            continue;
        }
        demand(errno == ENOMEM, "NULL comes with ENOMEM");
        if (!refused)
            refuse("a block in the file");
    }
}

static void give_blocks(memkind_t kind, size_t step)
{
    for (size_t i = 0; i < BLOCKS; i += step) {
        if (blocks[i] == NULL)
            continue;
        check_block(i);
        memkind_free(kind, blocks[i]);
        blocks[i] = NULL;
    }
}

/* Memory that was used before reads as zero. */
static void clear_large(memkind_t kind)
{
    for (int i = 0; i < 4; i++) {
        unsigned char *large = memkind_calloc(kind, 1, LARGE);

        if (large == NULL)
            return;
        for (size_t at = 0; at < LARGE; at++)
            demand(large[at] == 0, "calloc clears");
        memset(large, 1, LARGE);
        large = memkind_realloc(kind, large, LARGE / 2);
        memkind_free(kind, large);
    }
}

static void *live_in_thread(void *kind)
{
    void *block = memkind_malloc(kind, 1000);

    if (block != NULL)
        memset(block, 1, 1000);
    memkind_free(NULL, block);
    return NULL;
}

/* The account equals the file's space, apart from a disk file system's metadata. */
static void check_account(memkind_t kind)
{
    const struct memkind_pmem *pmem = kind->priv;
    struct stat status;
    struct statfs fs;

    if (fstat(pmem->fd, &status) == 0 && fstatfs(pmem->fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
        demand((size_t)status.st_blocks * STAT_BLOCK <= pmem->current_size, "the account is right");
}

static void wait_for(pid_t child)
{
    int status = -1;

    demand(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child lives well");
}

static void fork_child(memkind_t kind)
{
    pid_t child = fork();

    if (child == 0) {
        if (memkind_get_snapshot(kind) != MEMKIND_SNAPSHOT_FAILED)
            for (size_t i = 0; i < BLOCKS; i += 50)
                if (blocks[i] != NULL)
                    check_block(i);
        for (size_t i = 0; i < 100; i++) {
            char *own = memkind_malloc(kind, 5000);

            if (own != NULL)
                memset(own, 1, 5000);
            memkind_free(kind, own);
        }
        demand(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "a child destroys the kind");
        _exit(0);
    }
    wait_for(child);
}

static memkind_t make(const char *dir, memkind_fork_mode mode)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    demand(config != NULL, "there is memory");
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, KIND_SIZE);
    memkind_config_set_fork(config, mode);
    errno = 0;
    if (memkind_create_pmem_with_config(config, &kind) != MEMKIND_SUCCESS) {
        demand(errno != 0, "a kind that is refused says why");
        refuse("a kind");
        kind = NULL;
    }
    memkind_config_delete(config);
    return kind;
}

/* Uses every `step`th of the blocks. */
static void live_in_file(const char *dir, memkind_fork_mode mode, size_t step)
{
    memkind_t kind = make(dir, mode);
    pthread_t thread;

    if (kind == NULL)
        return;
    take_blocks(kind, step);
    give_blocks(kind, 3 * step);
    clear_large(kind);
    (void)memkind_purge(kind);
    check_account(kind);
    take_blocks(kind, 3 * step);
    demand(pthread_create(&thread, NULL, live_in_thread, kind) == 0 &&
               pthread_join(thread, NULL) == 0,
           "a thread");
    fork_child(kind);
    give_blocks(kind, 1);
    (void)memkind_purge(kind);
    check_account(kind);
    demand(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "the kind is destroyed");
}

/* A kind that is called available allocates. Others report an error. */
static void live_on_nodes(memkind_t kind, const char *name)
{
    bool available = memkind_check_available(kind) == MEMKIND_SUCCESS;

    errno = 0;
    char *block = memkind_malloc(kind, 100000);
    demand(block != NULL || errno == ENOMEM, "NULL comes with ENOMEM");
    if (block != NULL) {
        memset(block, 1, 100000);
        memkind_free(kind, block);
    } else {
        demand(!available, name);
        refuse(name);
    }
}

static int live(const char *dir)
{
    live_in_file(dir, MEMKIND_FORK_SHARE, 1);
    live_in_file(dir, MEMKIND_FORK_SNAPSHOT, 10);
    live_on_nodes(MEMKIND_DEFAULT, "MEMKIND_DEFAULT");
    live_on_nodes(MEMKIND_REGULAR, "MEMKIND_REGULAR");
    live_on_nodes(MEMKIND_INTERLEAVE, "MEMKIND_INTERLEAVE");
    live_on_nodes(MEMKIND_HIGHEST_CAPACITY, "MEMKIND_HIGHEST_CAPACITY");
    live_on_nodes(MEMKIND_HIGHEST_CAPACITY_PREFERRED, "MEMKIND_HIGHEST_CAPACITY_PREFERRED");
    live_on_nodes(MEMKIND_HIGHEST_CAPACITY_LOCAL, "MEMKIND_HIGHEST_CAPACITY_LOCAL");
    live_on_nodes(MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED,
                  "MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED");
    return refused ? REFUSED : SERVED;
}

/* -- The filters ------------------------------------------------------------------------------- */

#define ALL(call)           \
    {                       \
        SYS_##call, 0, 0, 0 \
    }
#define POPULATE                                 \
    {                                            \
        SYS_madvise, 2, MADVISE_POPULATE, EINVAL \
    }
#define HOLES                                \
    {                                        \
        SYS_fallocate, 1, FALLOCATE_PUNCH, 0 \
    }
#define ONE(call, may)             \
    {                              \
        {ALL(call)}, 1, #call, may \
    }

/* The table's error of 0 is replaced by the answer under test. */
struct filter {
    struct call_filter_rule rules[2];
    size_t count;
    const char *name;
    bool may_refuse; /* true: requests may fail */
};

/* Calls whose effect depends on the file system. */
static const struct filter file_filters[] = {
    ONE(fallocate, false),
    {{ALL(fallocate), POPULATE}, 2, "fallocate, before Linux 5.14", false},
    {{HOLES}, 1, "fallocate of holes", false},
    {{ALL(fallocate), ALL(madvise)}, 2, "fallocate and madvise", false},
    ONE(madvise, false),
    ONE(fstatfs, false),
    ONE(pwrite64, false),
    /* fallocate(2) does not extend files in memory. */
    ONE(ftruncate, true),
};

static const struct filter other_filters[] = {
    ONE(mbind, false),
    /* Without this call, there are no nodes to choose from. */
    ONE(get_mempolicy, true),
    ONE(set_mempolicy, false),
    ONE(move_pages, false),
    ONE(membarrier, false),
    ONE(memfd_create, false),
    ONE(mincore, false),
    ONE(statx, false),
    ONE(statfs, false),
    ONE(getrandom, false),
    ONE(getcpu, false),
    ONE(sched_getaffinity, false),
    ONE(sched_setaffinity, false),
    ONE(userfaultfd, false),
    ONE(prlimit64, false),
    ONE(unlinkat, false),
    ONE(readlinkat, false),
    ONE(rt_sigpending, false),
    ONE(rt_sigtimedwait, false),
    ONE(copy_file_range, false),
    ONE(close_range, false),
};

static pid_t start_under(const struct filter *filter, int error, const char *dir)
{
    struct call_filter_rule rules[2];
    pid_t child = fork();

    if (child != 0)
        return child;
    memcpy(rules, filter->rules, sizeof(rules));
    for (size_t i = 0; i < filter->count; i++)
        if (rules[i].error == 0)
            rules[i].error = error;
    alarm(SECONDS);
    if (!call_filter_install(rules, filter->count))
        _exit(NO_FILTER);
    execl("/proc/self/exe", "test_call_filters", "--live", dir, (char *)NULL);
    _exit(127);
}

/* Returns whether the life ended as the filter allows. */
static bool is_well(const struct filter *filter, int error, const char *dir)
{
    int status = -1;
    pid_t child = start_under(filter, error, dir);

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER)
        skip();
    if (WIFEXITED(status) && WEXITSTATUS(status) == SERVED)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED && filter->may_refuse)
        return true;
    print_error("%s, %s: status %#x in %s\n", filter->name, strerror(error), (unsigned)status, dir);
    return false;
}

static void live_under(const struct filter *filters, size_t count, const char *dir)
{
    static const int errors[] = {ENOSYS, EPERM};
    bool well = true;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < COUNT_OF(errors); j++)
            well &= is_well(&filters[i], errors[j], dir);
    assert_true(well);
}

static void a_call_is_refused(void **state)
{
    char dir[TEST_DIR_PATH_SIZE];

    (void)state;
    test_dir_make(dir);
    live_under(file_filters, COUNT_OF(file_filters), dir);
    live_under(other_filters, COUNT_OF(other_filters), dir);
    test_dir_remove(dir);
}

/* The same where files are not in memory. */
static void a_call_is_refused_on_disk(void **state)
{
    char dir[] = "/var/tmp/memkind-test-XXXXXX";
    struct statfs fs;

    (void)state;
    if (mkdtemp(dir) == NULL)
        skip();
    if (statfs(dir, &fs) != 0 || fs.f_type == TMPFS_MAGIC) {
        rmdir(dir);
        skip();
    }
    live_under(file_filters, COUNT_OF(file_filters), dir);
    assert_int_equal(rmdir(dir), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_refused),
        cmocka_unit_test(a_call_is_refused_on_disk),
    };

    if (argc == 3 && strcmp(argv[1], "--live") == 0)
        return live(argv[2]);
    if (CALL_FILTER_SANITIZED) {
        puts("skipped: sanitizers make system calls themselves");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
