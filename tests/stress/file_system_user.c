/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One event that may befall a kind's file system or the process: `file_system_user DIRECTORY CASE`.
 * DIRECTORY lies in a small file system that nobody else uses.
 *
 * In each case a request succeeds or returns NULL with ENOMEM, blocks keep their contents, no
 * signal is raised, and everything works again once the cause is gone. In the end the file system
 * is as empty as before.
 */
#include <memkind.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stress/pattern.h"

#define KIB         ((size_t)1 << 10)
#define MIB         ((size_t)1 << 20)
#define MOST_BLOCKS 100000
#define LEAST       (16 * MIB) /* free space at the start */
#define PATH_SIZE   4096
#define SKIPPED     77
/* Bytes by which journals and metadata may change the free space. */
#define SLACK       (2 * MIB)
#define PATIENCE    200
#define PATIENCE_US 50000

static const char *dir;
static size_t space_before;

struct block {
    char *address;
    size_t size;
};
static struct block blocks[MOST_BLOCKS];
static size_t block_count;

#define EXPECT(condition)                                          \
    do {                                                           \
        if (!(condition)) {                                        \
            printf("line %d: not so: %s\n", __LINE__, #condition); \
            exit(EXIT_FAILURE);                                    \
        }                                                          \
    } while (0)

static size_t free_space(void)
{
    struct statvfs fs;

    EXPECT(statvfs(dir, &fs) == 0);
    return (size_t)fs.f_bavail * fs.f_frsize;
}

/* -- Kinds and blocks -------------------------------------------------------------------------- */

static memkind_t make_kind(memkind_mem_usage_policy policy)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    EXPECT(config != NULL);
    memkind_config_set_path(config, dir);
    memkind_config_set_memory_usage_policy(config, policy);
    EXPECT(memkind_create_pmem_with_config(config, &kind) == MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return kind;
}

/* Allocates one more block and writes to all of it. False: there is no more. */
static bool add_block(memkind_t kind, size_t size)
{
    struct block *block = &blocks[block_count];

    EXPECT(block_count < MOST_BLOCKS);
    errno = 0;
    block->address = memkind_malloc(kind, size);
    if (block->address == NULL) {
        EXPECT(errno == ENOMEM);
        return false;
    }
    block->size = size;
    pattern_fill(block->address, size);
    block_count++;
    return true;
}

static void check_blocks(void)
{
    for (size_t i = 0; i < block_count; i++)
        EXPECT(pattern_holds(blocks[i].address, blocks[i].size,
                             pattern_seed(blocks[i].address, blocks[i].size)));
}

static void free_blocks(memkind_t kind)
{
    check_blocks();
    while (block_count > 0)
        memkind_free(kind, blocks[--block_count].address);
}

/* Allocates blocks of this size until none is left, then smaller ones. */
static size_t fill(memkind_t kind, size_t size)
{
    size_t requested = 0;

    for (; size >= KIB; size /= 32)
        while (add_block(kind, size))
            requested += size;
    check_blocks();
    return requested;
}

/* Checks that the kind serves requests of all sizes. */
static void use(memkind_t kind)
{
    static const size_t sizes[] = {8, 100, KIB, 5 * KIB, 20 * KIB, 300 * KIB, MIB, 3 * MIB};
    size_t before = block_count;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        EXPECT(add_block(kind, sizes[i]));
    check_blocks();
    while (block_count > before)
        memkind_free(kind, blocks[--block_count].address);
}

static void end_kind(memkind_t kind)
{
    free_blocks(kind);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

/* -- A file that others have ------------------------------------------------------------------- */

static int make_other(void)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/other", dir);
    int other = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    EXPECT(other >= 0);
    EXPECT(unlink(path) == 0);
    return other;
}

/* Writes to the file until no space is left. */
static void grow_other(int other)
{
    static char buffer[64 * KIB];

    memset(buffer, 1, sizeof(buffer));
    for (size_t size = sizeof(buffer); size >= 512; size /= 2)
        while (write(other, buffer, size) > 0)
            ;
    EXPECT(errno == ENOSPC);
    (void)fsync(other);
}

static void shrink_other(int other)
{
    EXPECT(ftruncate(other, 0) == 0 && lseek(other, 0, SEEK_SET) == 0);
    /* Some file systems report space as free before it can be allocated. */
    sync();
}

/* -- Cases ------------------------------------------------------------------------------------- */

static void fill_with(memkind_mem_usage_policy policy, size_t size)
{
    memkind_t kind = make_kind(policy);

    for (int round = 0; round < 2; round++) {
        size_t requested = fill(kind, size);

        EXPECT(requested >= space_before / 2);
        free_blocks(kind);
        use(kind);
    }
    end_kind(kind);
}

static void case_full(void)
{
    fill_with(MEMKIND_MEM_USAGE_POLICY_DEFAULT, MIB);
    fill_with(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, 40 * KIB);
}

static void case_filled_by_others(void)
{
    memkind_t kind = make_kind(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    int other = make_other();

    for (int round = 0; round < 3; round++) {
        EXPECT(add_block(kind, MIB));
        grow_other(other);
        EXPECT(!add_block(kind, MIB));
        EXPECT(!add_block(kind, 10 * MIB));
        fill(kind, 100 * KIB);
        shrink_other(other);
        use(kind);
        free_blocks(kind);
    }
    close(other);
    end_kind(kind);
}

/* -- Limits of the process --------------------------------------------------------------------- */

static void set_limit(__rlimit_resource_t resource, rlim_t limit)
{
    struct rlimit both;

    EXPECT(getrlimit(resource, &both) == 0);
    both.rlim_cur = limit < both.rlim_max ? limit : both.rlim_max;
    EXPECT(setrlimit(resource, &both) == 0);
}

static void case_limit_of_file_size(void)
{
    memkind_t kind = make_kind(MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    set_limit(RLIMIT_FSIZE, 8 * MIB);
    EXPECT(fill(kind, MIB) <= 8 * MIB);
    set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
    use(kind);
    end_kind(kind);
}

static void case_limit_of_addresses(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    EXPECT(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    memkind_t kind = make_kind(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    set_limit(RLIMIT_AS, (rlim_t)pages * 4096 + 4 * MIB);
    fill(kind, MIB);
    memkind_t another = NULL;
    (void)memkind_create_pmem(dir, 0, &another);
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    free_blocks(kind);
    use(kind);
    if (another != NULL) {
        use(another);
        end_kind(another);
    }
    end_kind(kind);
}

static void case_limit_of_descriptors(void)
{
    memkind_t kind = make_kind(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    memkind_t another = NULL;

    set_limit(RLIMIT_NOFILE, 0);
    EXPECT(memkind_create_pmem(dir, 0, &another) == MEMKIND_ERROR_INVALID && errno == EMFILE);
    EXPECT(another == NULL);
    use(kind);
    set_limit(RLIMIT_NOFILE, 256);
    another = make_kind(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    use(another);
    end_kind(another);
    end_kind(kind);
}

/* -- Changes of the directory ------------------------------------------------------------------ */

static void case_removed_directory(void)
{
    const char *parent = dir;
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/removed", parent);
    EXPECT(mkdir(path, S_IRWXU) == 0);
    dir = path;
    memkind_t kind = make_kind(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    use(kind);
    EXPECT(rmdir(path) == 0);
    use(kind);
    EXPECT(memkind_get_capacity(kind) > 0);
    memkind_t another = NULL;
    EXPECT(memkind_create_pmem(path, 0, &another) == MEMKIND_ERROR_INVALID && errno == ENOENT);
    dir = parent;
    fill(kind, MIB);
    end_kind(kind);
}

static int remount(unsigned long flags)
{
    return mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | flags, NULL) == 0 ? 0 : errno;
}

/* The kernel does not remount read-only while a kind has its file open for writing. */
static void case_read_only(void)
{
    memkind_t kind = make_kind(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    memkind_t another = NULL;

    EXPECT(add_block(kind, MIB));
    int err = remount(MS_RDONLY);
    use(kind);
    end_kind(kind);
    if (err != EBUSY) {
        printf("it cannot be remounted: %s\n", strerror(err));
        exit(SKIPPED);
    }
    EXPECT(remount(MS_RDONLY) == 0);
    EXPECT(memkind_create_pmem(dir, 0, &another) == MEMKIND_ERROR_INVALID && errno == EROFS);
    EXPECT(remount(0) == 0);
    another = make_kind(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    use(another);
    end_kind(another);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"full", case_full},
    {"filled-by-others", case_filled_by_others},
    {"limit-of-file-size", case_limit_of_file_size},
    {"limit-of-addresses", case_limit_of_addresses},
    {"limit-of-descriptors", case_limit_of_descriptors},
    {"removed-directory", case_removed_directory},
    {"read-only", case_read_only},
};

static void run(void (*run_case)(void))
{
    space_before = free_space();
    EXPECT(space_before >= LEAST);
    run_case();
    EXPECT(block_count == 0);
    /* Some file systems free space in the background. */
    for (int i = 0; i < PATIENCE && free_space() + SLACK < space_before; i++) {
        sync();
        usleep(PATIENCE_US);
    }
    EXPECT(free_space() + SLACK >= space_before);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (argc < 3) {
            puts(cases[i].name);
        } else if (strcmp(argv[2], cases[i].name) == 0) {
            dir = argv[1];
            run(cases[i].run);
            return EXIT_SUCCESS;
        }
    }
    return argc < 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
