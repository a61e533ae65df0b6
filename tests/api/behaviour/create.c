/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about creating and destroying kinds, the environment, and memkind_pmem(3). */
#include "behaviour.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NOBODY     65534
#define MANY_KINDS 600

/* From memkind_pmem(3), whose header the distribution does not install. */
void *memkind_pmem_mmap(struct memkind *kind, void *addr, size_t size);
int memkind_pmem_get_mmap_flags(struct memkind *kind, int *flags);

/* -- Create ------------------------------------------------------------------------------------ */

static void create_file(void)
{
    struct stat status;
    int fd;

    make_kind(0);
    (void)count_descriptors(&fd);
    if (fd < 0 || fstat(fd, &status) != 0) {
        say("no file without a name");
        return;
    }
    say("mode %o", (unsigned)status.st_mode & 0777u);
    say("%lu links", (unsigned long)status.st_nlink);
    say("%s", (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? "close-on-exec" : "open in exec");
}

static void create_takes_no_space(void)
{
    make_kind(0);
    say("%zu bytes", file_space());
}

static void create_unlimited(void)
{
    say_block(memkind_malloc(make_kind(0), 64 * MIB));
}

static void create_with(const char *path, size_t size)
{
    memkind_t kind = UNTOUCHED;

    errno = 0;
    say_status(memkind_create_pmem(path, size, &kind));
    say_errno();
    say("%s", kind == UNTOUCHED ? "kind untouched" : "kind changed");
}

static void create_size_1(void)
{
    create_with(dir, 1);
}

static void create_size_below_least(void)
{
    create_with(dir, MEMKIND_PMEM_MIN_SIZE - 1);
}

/* Sizes that cannot be rounded up mean no limit. */
static void create_sizes_beyond(void)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) != 0)
        say("cannot be tried");
    for (size_t below = 0; below < 2 * MIB; below += 2 * MIB - 2)
        say("%s", memkind_get_capacity(make_kind(SIZE_MAX - below)) ==
                          (ssize_t)(fs.f_blocks * fs.f_frsize)
                      ? "file system's"
                      : "another");
}

static void create_fixed_empty(void)
{
    static char memory[64];
    memkind_t kind = UNTOUCHED;

    say_status(memkind_create_fixed(memory, 0, &kind));
    say("%zd", memkind_get_capacity(kind));
    errno = 0;
    say_block(memkind_malloc(kind, 1));
    say_status(memkind_destroy_kind(kind));
    say_status(memkind_create_fixed(NULL, 0, &kind));
    say_status(memkind_create_fixed(NULL, 1, &kind));
}

static void create_fixed_twice(void)
{
    const size_t size = 32 * MIB;
    char *memory = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memkind_t kind;
    memkind_t other = UNTOUCHED;

    say_status(memkind_create_fixed(memory, size, &kind));
    say_status(memkind_create_fixed(memory, size, &other));
    say_status(memkind_create_fixed(memory, 2 * size, &other));
    (void)memkind_malloc(kind, 100);
    say_status(memkind_create_fixed(memory, size, &other));
    say_status(memkind_create_fixed(memory + size, size, &other));
    say_status(memkind_destroy_kind(kind));
    say_status(memkind_create_fixed(memory, size, &kind));
}

/* Areas that begin where a kind's area begins, and others. */
static void create_fixed_at_one_address(void)
{
    static const struct {
        size_t size, other, offset;
    } areas[] = {
        {0, 0, 0},
        {100, 100, 0},
        {0, 16 * MIB, 0},
        {16 * MIB, 0, 0},
        {16 * MIB, 100, 0},
        {16 * MIB, 4 * KIB, 0},
        {32 * MIB, 16 * MIB, 0},
        {16 * MIB, 0, 16 * MIB},
        {16 * MIB, 16 * MIB, 16 * MIB},
    };
    char *memory = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        memkind_t kind = NULL;
        memkind_t other = NULL;

        say_status(memkind_create_fixed(memory, areas[i].size, &kind));
        int status = memkind_create_fixed(memory + areas[i].offset, areas[i].other, &other);
        say_status(status);
        (void)memkind_destroy_kind(kind);
        if (status == MEMKIND_SUCCESS)
            (void)memkind_destroy_kind(other);
    }
}

static void create_in_missing(void)
{
    create_with("/nonexistent/directory", 0);
}

static void create_in_file(void)
{
    create_with("/proc/self/exe", 0);
}

static void create_in_read_only(void)
{
    if (geteuid() == 0 && setuid(NOBODY) != 0)
        say("cannot be tried");
    create_with("/usr", 0);
}

static void create_in_long_path(void)
{
    static char path[2 * PATH_MAX];

    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    create_with(path, 0);
}

static void create_in_empty(void)
{
    create_with("", 0);
}

static void create_in_loop(void)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/loop-XXXXXX", dir);
    if (mktemp(path) == NULL || symlink(path, path) != 0)
        say("cannot be tried");
    create_with(path, 0);
    unlink(path);
}

static void create_in_device_file(void)
{
    create_with("/dev/null", 0);
}

static void config_twice(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t first = UNTOUCHED;
    memkind_t second = UNTOUCHED;

    memkind_config_set_path(config, dir);
    say_status(memkind_create_pmem_with_config(config, &first));
    say_status(memkind_create_pmem_with_config(config, &second));
    say("%s", first != second ? "two kinds" : "one kind");
    memkind_config_delete(config);
    memkind_config_delete(NULL);
    say_block(memkind_malloc(first, SMALL));
}

static void partition_of_none(void)
{
    static const int partitions[] = {-1, INT_MAX, 511, 600, INT_MIN};

    for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
        memkind_t kind = UNTOUCHED;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        say_status(memkind_get_kind_by_partition(partitions[i], &kind));
#pragma GCC diagnostic pop
    }
}

static void kinds_by_type(void)
{
    memkind_t kind = UNTOUCHED;

    say_status(memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL,
                                   (memkind_bits_t)0, &kind));
    say("%s", kind == MEMKIND_DEFAULT ? "MEMKIND_DEFAULT" : "another");
    kind = UNTOUCHED;
    say_status(memkind_create_kind((memkind_memtype_t)4, MEMKIND_POLICY_PREFERRED_LOCAL,
                                   (memkind_bits_t)0, &kind));
    say_status(memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_BIND_ALL,
                                   (memkind_bits_t)0, &kind));
    say_status(memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL,
                                   (memkind_bits_t)22, &kind));
    say("%s", kind == UNTOUCHED ? "kind untouched" : "kind changed");
}

static void create_in_null(void)
{
    create_with(NULL, 0);
}

static void create_with_wrong_policy(void)
{
    int before;
    unsigned count = count_descriptors(&before);
    int status;

    make_configured(0, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE, &status);
    say_status(status);
    say("%s", count_descriptors(&before) == count ? "nothing left" : "a file left");
}

static void config_is_initialised(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = UNTOUCHED;

    say_status(memkind_create_pmem_with_config(config, &kind));
    memkind_config_set_path(config, dir);
    say_status(memkind_create_pmem_with_config(config, &kind));
}

static void config_borrows_path(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = UNTOUCHED;
    char path[PATH_MAX] = "/nonexistent";

    memkind_config_set_path(config, path);
    snprintf(path, sizeof(path), "%s", dir);
    say_status(memkind_create_pmem_with_config(config, &kind));
}

static void many_kinds(void)
{
    memkind_t kind;
    int count = 0;
    int status = MEMKIND_SUCCESS;

    while (count < MANY_KINDS && (status = memkind_create_pmem(dir, 16 * MIB, &kind)) == 0)
        count++;
    say("%d kinds", count);
    say_status(status);
}

static void check_dax_path(void)
{
    say_status(memkind_check_dax_path(dir));
    say_status(memkind_check_dax_path("/nonexistent"));
}

static void check_dax_path_null(void)
{
    say_status(memkind_check_dax_path(NULL));
}

/* -- Destroy ----------------------------------------------------------------------------------- */

static void destroy(void)
{
    int last;
    unsigned before = count_descriptors(&last);
    memkind_t kind = make_kind(0);

    (void)memkind_malloc(kind, MIB);
    say_status(memkind_destroy_kind(kind));
    say("%d descriptors left", (int)(count_descriptors(&last) - before));
}

static void destroy_static(void)
{
    say_status(memkind_destroy_kind(MEMKIND_DEFAULT));
    say_status(memkind_destroy_kind(MEMKIND_REGULAR));
}

/* -- Environment ------------------------------------------------------------------------------- */

/* Runs the question in a new process with a variable set. */
static void with(const char *variable, const char *value, const char *name)
{
    setenv(variable, value, 1);
    execl("/proc/self/exe", program, dir, name, (char *)NULL);
    say("cannot be tried");
}

static void create_only(void)
{
    memkind_t kind;

    say_status(memkind_create_pmem(dir, 0, &kind));
}

static void arenas_0(void)
{
    with("MEMKIND_ARENA_NUM_PER_KIND", "0", "create");
}

static void arenas_wrong(void)
{
    with("MEMKIND_ARENA_NUM_PER_KIND", "many", "create");
}

static void arenas_spaced(void)
{
    with("MEMKIND_ARENA_NUM_PER_KIND", " +4 ", "create");
}

static void arenas_more_text(void)
{
    with("MEMKIND_ARENA_NUM_PER_KIND", "4x", "create");
}

static void arenas_1(void)
{
    with("MEMKIND_ARENA_NUM_PER_KIND", "1", "create");
}

static void hog_memory(void)
{
    with("MEMKIND_HOG_MEMORY", "1", "conservative-policy");
}

static void hog_memory_wrong(void)
{
    with("MEMKIND_HOG_MEMORY", "yes", "conservative-policy");
}

static void background_threads_wrong(void)
{
    with("MEMKIND_BACKGROUND_THREAD_LIMIT", "x", "create");
}

/* -- Operations of memkind_pmem(3) ------------------------------------------------------------- */

static void pmem_mmap(void)
{
    memkind_t kind = make_kind(16 * MIB);
    char *mapped = memkind_pmem_mmap(kind, NULL, 2 * MIB);

    if (mapped == MAP_FAILED) {
        say("MAP_FAILED");
        return;
    }
    mapped[0] = 1;
    say("%s", ((uintptr_t)mapped & (2 * MIB - 1)) == 0 ? "aligned" : "not aligned");
    say("%s", file_space() >= 2 * MIB ? "committed" : "not committed");
    say("%s", memkind_pmem_mmap(kind, NULL, GIB) == MAP_FAILED ? "MAP_FAILED" : "mapped");
    say_errno();
}

static void pmem_mmap_flags(void)
{
    int flags = 0;

    say("%d", memkind_pmem_get_mmap_flags(make_kind(0), &flags));
    say("%s", flags == MAP_SHARED ? "MAP_SHARED" : "others");
}

const struct question create_questions[] = {
    {"create", create_only, "SUCCESS"},
    {"create-file", create_file, "mode 600, 0 links, close-on-exec"},
    {"create-takes-no-space", create_takes_no_space, "0 bytes"},
    {"create-unlimited", create_unlimited, "a block"},
    {"create-size-1", create_size_1, "INVALID, EINVAL, kind untouched"},
    {"create-size-below-least", create_size_below_least, "INVALID, EINVAL, kind untouched"},
    {"create-sizes-beyond", create_sizes_beyond, "file system's, file system's"},
    {"create-fixed-empty", create_fixed_empty,
     "SUCCESS, 0, NULL, ENOMEM, SUCCESS, SUCCESS, INVALID"},
    {"create-fixed-twice", create_fixed_twice,
     "SUCCESS, INVALID, INVALID, INVALID, SUCCESS, SUCCESS, SUCCESS"},
    {"create-fixed-at-one-address", create_fixed_at_one_address,
     "SUCCESS, INVALID, SUCCESS, INVALID, SUCCESS, INVALID, SUCCESS, INVALID, SUCCESS, INVALID, "
     "SUCCESS, INVALID, SUCCESS, INVALID, SUCCESS, SUCCESS, SUCCESS, SUCCESS"},
    {"create-in-missing", create_in_missing, "INVALID, ENOENT, kind untouched"},
    {"create-in-file", create_in_file, "INVALID, ENOTDIR, kind untouched"},
    {"create-in-read-only", create_in_read_only, "INVALID, EACCES, kind untouched"},
    {"create-in-long-path", create_in_long_path, "INVALID, ENAMETOOLONG, kind untouched"},
    {"create-in-empty", create_in_empty, "INVALID, ENOENT, kind untouched"},
    {"create-in-loop", create_in_loop, "INVALID, ELOOP, kind untouched"},
    {"create-in-device-file", create_in_device_file, "INVALID, ENOTDIR, kind untouched"},
    {"config-twice", config_twice, "SUCCESS, SUCCESS, two kinds, a block"},
    {"partition-of-none", partition_of_none,
     "UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE"},
    {"kinds-by-type", kinds_by_type,
     "SUCCESS, MEMKIND_DEFAULT, INVALID, INVALID, INVALID, kind untouched"},
    {"create-in-null", create_in_null, "INVALID, EINVAL, kind untouched"},
    {"create-with-wrong-policy", create_with_wrong_policy, "INVALID, nothing left"},
    {"config-is-initialised", config_is_initialised, "INVALID, SUCCESS"},
    {"config-borrows-path", config_borrows_path, "SUCCESS"},
    {"many-kinds", many_kinds, "512 kinds, TOOMANY"},
    {"check-dax-path", check_dax_path, "MMAP, RUNTIME"},
    {"check-dax-path-null", check_dax_path_null, "RUNTIME"},
    {"destroy", destroy, "SUCCESS, 0 descriptors left"},
    {"destroy-static", destroy_static, "SUCCESS, SUCCESS"},
    {"arenas-0", arenas_0, "ENVIRON"},
    {"arenas-wrong", arenas_wrong, "ENVIRON"},
    {"arenas-spaced", arenas_spaced, "SUCCESS"},
    {"arenas-more-text", arenas_more_text, "ENVIRON"},
    {"arenas-1", arenas_1, "SUCCESS"},
    {"hog-memory", hog_memory, "held, kept"},
    {"hog-memory-wrong", hog_memory_wrong, "held, back"},
    {"background-threads-wrong", background_threads_wrong, "SUCCESS"},
    {"pmem-mmap", pmem_mmap, "aligned, committed, MAP_FAILED, ENOMEM"},
    {"pmem-mmap-flags", pmem_mmap_flags, "0, MAP_SHARED"},
    {NULL, NULL, NULL},
};
