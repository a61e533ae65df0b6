/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The defects that users of memkind 1.14 met, a case for each: `known_defects DIRECTORY CASE`.
 *
 * Uses memkind.h alone, so that the program runs on either library. Exits with 0 if the library is
 * free of the defect, otherwise with 1 and a line that describes the defect. A crash is a defect
 * too. Without a case, prints the names of all.
 */
#include <memkind.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB       ((size_t)1 << 10)
#define MIB       ((size_t)1 << 20)
#define LINE_SIZE 256

static const char *dir;

#define DEFECT(...)          \
    do {                     \
        printf(__VA_ARGS__); \
        putchar('\n');       \
        fflush(stdout);      \
        _exit(1);            \
    } while (0)

/* Checks a condition that the case needs and does not test. */
static void need(bool condition, const char *what)
{
    if (!condition) {
        printf("cannot be tried: %s\n", what);
        fflush(stdout);
        _exit(2);
    }
}

static memkind_t make_kind(size_t max_size)
{
    memkind_t kind = NULL;

    need(memkind_create_pmem(dir, max_size, &kind) == MEMKIND_SUCCESS, "no kind");
    return kind;
}

static memkind_t make_conservative_kind(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    need(config != NULL, "no configuration");
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    need(memkind_create_pmem_with_config(config, &kind) == MEMKIND_SUCCESS, "no kind");
    memkind_config_delete(config);
    return kind;
}

static void *make_block(memkind_t kind, size_t size)
{
    void *block = memkind_malloc(kind, size);

    need(block != NULL, "no block");
    return block;
}

/* Returns the descriptor of the last open file without a name, or -1. */
static int nameless_file(void)
{
    DIR *descriptors = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = -1;

    need(descriptors != NULL, "/proc/self/fd");
    while ((entry = readdir(descriptors)) != NULL) {
        char target[PATH_MAX] = "";

        if (readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target) - 1) > 0 &&
            strstr(target, " (deleted)") != NULL)
            found = atoi(entry->d_name);
    }
    closedir(descriptors);
    return found;
}

static size_t count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t count = 0;
    int character;

    need(maps != NULL, "/proc/self/maps");
    while ((character = getc(maps)) != EOF)
        count += character == '\n';
    fclose(maps);
    return count;
}

/* Returns the bytes of address space of the process. */
static size_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    need(file != NULL && fscanf(file, "%lu", &pages) == 1, "/proc/self/statm");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* -- 0 ----------------------------------------------------------------------------------------- */

enum { THREADS = 10, HELD = 8, STEPS = 1500 };

struct worker {
    pthread_t thread;
    memkind_t kind;
    unsigned random;
    bool damaged;
};

static bool has_stamp(const char *block, size_t size, char stamp)
{
    for (size_t at = 0; at < size; at += 4 * KIB)
        if (block[at] != stamp)
            return false;
    return true;
}

static void *use_large_blocks(void *argument)
{
    struct worker *worker = argument;
    char stamp = (char)worker->random;
    char *blocks[HELD] = {NULL};
    size_t sizes[HELD] = {0};

    for (int step = 0; step < STEPS; step++) {
        worker->random = worker->random * 1103515245 + 12345;
        size_t i = (worker->random >> 16) % HELD;

        worker->damaged |= blocks[i] != NULL && !has_stamp(blocks[i], sizes[i], stamp);
        memkind_free(worker->kind, blocks[i]);
        sizes[i] = MIB + (worker->random >> 4) % (2 * MIB);
        blocks[i] = memkind_malloc(worker->kind, sizes[i]);
        for (size_t at = 0; blocks[i] != NULL && at < sizes[i]; at += 4 * KIB)
            blocks[i][at] = stamp;
    }
    return NULL;
}

static void case_0_threads(void)
{
    static struct worker workers[THREADS];
    memkind_t kind = make_kind(0);

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].kind = kind;
        workers[i].random = i + 1;
        need(pthread_create(&workers[i].thread, NULL, use_large_blocks, &workers[i]) == 0,
             "no thread");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].damaged)
            DEFECT("two threads have the same memory");
    }
    memkind_destroy_kind(kind);
}

static void case_0_addresses(void)
{
    enum { WARM_UP = 5, ROUNDS = 20 };
    size_t before = 0;

    for (int i = 0; i < WARM_UP + ROUNDS; i++) {
        if (i == WARM_UP)
            before = address_space();
        memkind_t kind = make_kind(0);
        make_block(kind, 100);
        memkind_destroy_kind(kind);
    }
    size_t lost = address_space() - before;
    if (lost > 32 * MIB)
        DEFECT("each kind loses %zu MiB of addresses", lost / ROUNDS / MIB);
}

/* -- 1 ----------------------------------------------------------------------------------------- */

static void case_1_maps(void)
{
    enum { BLOCKS = 40000, MOST_MAPS = 500 };
    static void *blocks[BLOCKS];
    memkind_t kind = make_conservative_kind();
    size_t before = count_maps();

    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = make_block(kind, 4 * KIB);
    for (size_t i = 0; i < BLOCKS; i += 2)
        memkind_free(kind, blocks[i]);
    size_t maps = count_maps() - before;
    if (maps > MOST_MAPS)
        DEFECT("%zu maps after every other of %d pages was freed", maps, BLOCKS);
}

/* -- 2 ----------------------------------------------------------------------------------------- */

enum { FAMILY_BLOCKS = 200, FAMILY_BLOCK_SIZE = 20000 };

static void fill(char *blocks[FAMILY_BLOCKS], memkind_t kind, char stamp)
{
    for (size_t i = 0; i < FAMILY_BLOCKS; i++) {
        blocks[i] = make_block(kind, FAMILY_BLOCK_SIZE);
        memset(blocks[i], stamp, FAMILY_BLOCK_SIZE);
    }
}

static bool is_filled(char *blocks[FAMILY_BLOCKS], char stamp)
{
    for (size_t i = 0; i < FAMILY_BLOCKS; i++)
        if (blocks[i][0] != stamp || memcmp(blocks[i], blocks[i] + 1, FAMILY_BLOCK_SIZE - 1) != 0)
            return false;
    return true;
}

/*
 * A child that uses the kind at the same time as its parent, and exits. 0: its blocks were its own.
 */
static void live_as_child(memkind_t kind, const int to_child[2], const int to_parent[2])
{
    char *blocks[FAMILY_BLOCKS];
    char byte = 0;

    fill(blocks, kind, 'c');
    if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
        _exit(2);
    exit(is_filled(blocks, 'c') ? 0 : 1);
}

static void case_2_fork(void)
{
    char *before[FAMILY_BLOCKS];
    char *after[FAMILY_BLOCKS];
    memkind_t kind = make_kind(0);
    int to_child[2];
    int to_parent[2];
    int status;
    char byte = 0;

    need(pipe(to_child) == 0 && pipe(to_parent) == 0, "no pipe");
    fill(before, kind, 'b');
    pid_t child = fork();
    need(child >= 0, "no process");
    if (child == 0)
        live_as_child(kind, to_child, to_parent);
    close(to_parent[1]);
    if (read(to_parent[0], &byte, 1) != 1)
        DEFECT("a child cannot allocate");
    fill(after, kind, 'p');
    need(write(to_child[1], &byte, 1) == 1 && waitpid(child, &status, 0) == child, "no child");
    if (status != 0)
        DEFECT("parent and child hand out the same memory");
    if (!is_filled(before, 'b') || !is_filled(after, 'p'))
        DEFECT("a child that exits damages its parent's blocks");
    memkind_destroy_kind(kind);
}

/* -- 3 ----------------------------------------------------------------------------------------- */

static void case_3_whole(void)
{
    for (size_t size = 16 * MIB; size <= 64 * MIB; size *= 2) {
        memkind_t kind = make_kind(size);
        char *block = memkind_malloc(kind, size);

        if (block == NULL)
            DEFECT("no block of %zu MiB in a kind of that size", size / MIB);
        memset(block, 1, size);
        memkind_destroy_kind(kind);
    }
}

enum { CUSTOMERS = 64 };

static pthread_barrier_t all_have;

static void *ask_for_a_block(void *kind)
{
    void *block = memkind_malloc(kind, 1000);

    pthread_barrier_wait(&all_have);
    return block;
}

static void case_3_threads(void)
{
    pthread_t threads[CUSTOMERS];
    int starved = 0;

    setenv("MEMKIND_ARENA_NUM_PER_KIND", "256", 1);
    memkind_t kind = make_kind(16 * MIB);
    pthread_barrier_init(&all_have, NULL, CUSTOMERS);
    for (int i = 0; i < CUSTOMERS; i++)
        need(pthread_create(&threads[i], NULL, ask_for_a_block, kind) == 0, "no thread");
    for (int i = 0; i < CUSTOMERS; i++) {
        void *block;

        pthread_join(threads[i], &block);
        starved += block == NULL;
    }
    if (starved != 0)
        DEFECT("%d of %d threads get no block of 1,000 bytes out of 16 MiB", starved, CUSTOMERS);
}

/* -- 4, 5, 6 ----------------------------------------------------------------------------------- */

static void case_4_kinds(void)
{
    enum { KINDS = 100 };

    setenv("MEMKIND_ARENA_NUM_PER_KIND", "256", 1);
    for (int i = 0; i < KINDS; i++) {
        memkind_t kind = NULL;

        if (memkind_create_pmem(dir, 0, &kind) != MEMKIND_SUCCESS)
            DEFECT("no more than %d kinds of 256 arenas", i);
        if (memkind_malloc(kind, 100) == NULL)
            DEFECT("kind %d is of no use", i);
    }
}

static void case_5_file_size(void)
{
    enum { ROUNDS = 100 };
    const size_t size = 20 * MIB;
    memkind_t kind = make_kind(0);
    int file = nameless_file();
    struct stat status;

    for (int i = 0; i < ROUNDS; i++) {
        char *block = make_block(kind, size);
        block[0] = 1;
        memkind_free(kind, block);
    }
    need(file >= 0 && fstat(file, &status) == 0, "no file");
    if ((size_t)status.st_size > 10 * size)
        DEFECT("the file is %zu MiB large after %d times 20 MiB", (size_t)status.st_size / MIB,
               ROUNDS);
    memkind_destroy_kind(kind);
}

static void case_6_file_size_limit(void)
{
    const size_t size = 24 * MIB;
    const struct rlimit limit = {.rlim_cur = size, .rlim_max = RLIM_INFINITY};
    memkind_t kind = make_kind(0);
    size_t requested = 0;

    need(setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit");
    /* The signal's disposition may have been inherited. */
    signal(SIGXFSZ, SIG_DFL);
    errno = 0;
    while (requested <= size && memkind_malloc(kind, MIB) != NULL)
        requested += MIB;
    if (requested > size || errno != ENOMEM)
        DEFECT("%zu MiB of a file of 24 MiB, and errno %d", requested / MIB, errno);
}

/* -- 7 ----------------------------------------------------------------------------------------- */

static void case_7_calloc(void)
{
    memkind_t kind = make_kind(0);
    volatile size_t count = SIZE_MAX / 16 + 2;
    void *block = memkind_calloc(kind, count, 16);

    if (block != NULL)
        DEFECT("calloc of %zu times 16 bytes gives a block of %zu", count,
               memkind_malloc_usable_size(kind, block));
    memkind_destroy_kind(kind);
}

static void case_7_alignment(void)
{
    memkind_t kind = make_kind(64 * MIB);

    for (size_t alignment = 4 * MIB; alignment <= 32 * MIB; alignment *= 2)
        for (size_t size = 100; size <= MIB; size *= 3) {
            void *block = NULL;

            if (memkind_posix_memalign(kind, &block, alignment, size) == 0 &&
                (uintptr_t)block % alignment != 0)
                DEFECT("%p is not aligned to %zu MiB", block, alignment / MIB);
            memkind_free(kind, block);
        }
    memkind_destroy_kind(kind);
}

/* Leaves freed blocks of this size without a zero byte for the next allocations. */
static void spoil(size_t size)
{
    enum { SPOILT = 64 };
    char *blocks[SPOILT];

    for (size_t i = 0; i < SPOILT; i++) {
        blocks[i] = make_block(MEMKIND_DEFAULT, size);
        memset(blocks[i], 'x', memkind_malloc_usable_size(MEMKIND_DEFAULT, blocks[i]));
    }
    for (size_t i = 0; i < SPOILT; i++)
        memkind_free(MEMKIND_DEFAULT, blocks[i]);
}

/* One directory under many names. */
static void case_7_capacity(void)
{
    enum { NAMES = 64 };
    char name[PATH_MAX];

    snprintf(name, sizeof(name), "%s", dir);
    for (size_t i = 0; i < NAMES; i++) {
        memkind_t kind = NULL;

        strcat(name, "/");
        spoil(strlen(name));
        need(memkind_create_pmem(name, 0, &kind) == MEMKIND_SUCCESS, "no kind");
        if (memkind_get_capacity(kind) <= 0)
            DEFECT("no capacity of a kind without max_size");
        memkind_destroy_kind(kind);
    }
}

/*
 * Creates kinds with only `addresses` bytes of address space left. Each kind that is created must
 * work.
 */
static void create_within(size_t addresses)
{
    const struct rlimit limit = {.rlim_cur = address_space() + addresses,
                                 .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    memkind_t kind = NULL;

    need(setrlimit(RLIMIT_AS, &limit) == 0, "no limit");
    int status = memkind_create_pmem(dir, 0, &kind);
    need(setrlimit(RLIMIT_AS, &none) == 0, "no limit");
    if (status == MEMKIND_SUCCESS && (kind == NULL || memkind_malloc(kind, 100) == NULL))
        DEFECT("success, but no kind, with %zu KiB of addresses left", addresses / KIB);
}

static void expect_no_kind(const char *path)
{
    memkind_t kind = NULL;

    if (memkind_create_pmem(path, 0, &kind) == MEMKIND_SUCCESS)
        DEFECT("success in \"%s\"", path);
}

static void case_7_create(void)
{
    for (size_t left = 0; left <= 32 * MIB; left += 512 * KIB) {
        pid_t child = fork();
        int status;

        need(child >= 0, "no process");
        if (child == 0) {
            create_within(left);
            exit(0);
        }
        need(waitpid(child, &status, 0) == child, "no child");
        if (WIFSIGNALED(status))
            DEFECT("signal %d with %zu KiB of addresses left", WTERMSIG(status), left / KIB);
        if (status != 0)
            _exit(1);
    }
    expect_no_kind("");
}

/* -- 8, 9, 10 ---------------------------------------------------------------------------------- */

/* The first members of struct memkind, in memkind 1.14 and here. */
struct beginning {
    void *operations;
    unsigned partition;
};

static unsigned partition_of(memkind_t kind)
{
    return ((const struct beginning *)(const void *)kind)->partition;
}

static void case_8_partition(void)
{
    enum { KINDS = 4 };
    memkind_t kinds[KINDS];

    for (size_t i = 0; i < KINDS; i++)
        kinds[i] = make_kind(0);
    memkind_destroy_kind(kinds[0]);
    kinds[0] = make_kind(0);
    for (size_t i = 0; i < KINDS; i++)
        for (size_t j = 0; j < i; j++)
            if (partition_of(kinds[i]) == partition_of(kinds[j]))
                DEFECT("two kinds have partition %u", partition_of(kinds[i]));
    for (size_t i = 0; i < KINDS; i++)
        memkind_destroy_kind(kinds[i]);
}

static bool no_holes;

/* The library finds these functions before libc's. */
__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (no_holes && (mode & FALLOC_FL_PUNCH_HOLE) != 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

__attribute__((visibility("default"))) int madvise(void *addr, size_t size, int advice)
{
    if (no_holes && advice == MADV_REMOVE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_madvise, addr, size, advice);
}

static void case_9_holes(void)
{
    memkind_t kind = make_conservative_kind();

    no_holes = true;
    for (size_t size = 100; size <= 10 * MIB; size *= 10) {
        char *block = make_block(kind, size);

        block[size - 1] = 1;
        memkind_free(kind, block);
    }
    memkind_destroy_kind(kind);
}

static void case_10_exec(void)
{
    memkind_t kind = make_kind(0);
    int file = nameless_file();

    need(file >= 0, "no file");
    if ((fcntl(file, F_GETFD) & FD_CLOEXEC) == 0)
        DEFECT("exec keeps the file open");
    memkind_destroy_kind(kind);
}

/* -- All --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"0-threads", case_0_threads},
    {"0-addresses", case_0_addresses},
    {"1-maps", case_1_maps},
    {"2-fork", case_2_fork},
    {"3-whole", case_3_whole},
    {"3-threads", case_3_threads},
    {"4-kinds", case_4_kinds},
    {"5-file-size", case_5_file_size},
    {"6-file-size-limit", case_6_file_size_limit},
    {"7-calloc", case_7_calloc},
    {"7-alignment", case_7_alignment},
    {"7-capacity", case_7_capacity},
    {"7-create", case_7_create},
    {"8-partition", case_8_partition},
    {"9-holes", case_9_holes},
    {"10-exec", case_10_exec},
};

int main(int argc, char **argv)
{
    dir = argc > 1 ? argv[1] : ".";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (argc < 3) {
            puts(cases[i].name);
        } else if (strcmp(argv[2], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return argc < 3 ? 0 : 2;
}
