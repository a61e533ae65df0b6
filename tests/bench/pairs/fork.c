/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fork costs a program with a heap of its own: fork MIB KIB fills a heap of so many MiB with
 * blocks of so many KiB, and prints a line "name value" for each of
 *
 *    pause     until fork(2) has returned to the parent, in ms; the child waits
 *    space     file space of nameless files that only the child has, in MiB
 *    writes    a byte on each of a tenth of the pages is written while the child lives, in ms
 *    private   anonymous memory of the process after that, in MiB
 *    thaw      malloc_trim(3) after the child's end, in ms
 *    thawed    anonymous memory then, in MiB
 *
 * fork --kinds N DIRECTORY: instead, what each of N kinds in use whose children get a copy adds to
 * the first fork and to later ones, in us: names first, later. The variable
 * MEMKIND_LIBRARY names this library.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "memkind.h"

#define KIB        ((size_t)1 << 10)
#define MIB        ((size_t)1 << 20)
#define PAGE       ((size_t)4096)
#define SHARE      10 /* one page of so many is written */
#define STAT_BLOCK 512
#define BASE       10
#define MS         1e3
#define US         1e6
#define LATER      20
#define FILES      64

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

_Noreturn static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* In MiB. */
static double anonymous_memory(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    double kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "RssAnon:", strlen("RssAnon:")) == 0)
            kib = strtod(line + strlen("RssAnon:"), NULL);
    if (file != NULL)
        fclose(file);
    return kib * (double)KIB / (double)MIB;
}

/* -- Files ------------------------------------------------------------------------------------- */

static ino_t known[FILES]; /* of the parent */
static size_t known_count;

static int is_known(ino_t file)
{
    for (size_t i = 0; i < known_count; i++)
        if (known[i] == file)
            return 1;
    return 0;
}

/* Calls for each nameless file that is open. Allocates nothing. */
static void each_file(void (*call)(const struct stat *file, double *sum), double *sum)
{
    struct rlimit limit;
    struct stat file;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("getrlimit");
    for (int fd = 0; fd < (int)limit.rlim_cur; fd++)
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0)
            call(&file, sum);
}

static void note_file(const struct stat *file, double *sum)
{
    (void)sum;
    if (!is_known(file->st_ino) && known_count < FILES)
        known[known_count++] = file->st_ino;
}

static void add_new_file(const struct stat *file, double *sum)
{
    if (is_known(file->st_ino))
        return;
    *sum += (double)file->st_blocks * STAT_BLOCK / (double)MIB;
    note_file(file, sum);
}

/* -- A heap ------------------------------------------------------------------------------------ */

struct heap {
    char **blocks;
    size_t count, size;
};

static struct heap fill(size_t mib, size_t kib)
{
    struct heap heap = {.size = kib * KIB, .count = mib * MIB / (kib * KIB)};

    heap.blocks = malloc(heap.count * sizeof(*heap.blocks));
    if (heap.blocks == NULL)
        fail("malloc");
    for (size_t i = 0; i < heap.count; i++) {
        heap.blocks[i] = malloc(heap.size);
        if (heap.blocks[i] == NULL)
            fail("malloc");
        memset(heap.blocks[i], 1, heap.size);
    }
    return heap;
}

/* On pages that are spread over all blocks. */
static void write_some(const struct heap *heap)
{
    size_t pages = heap->count * heap->size / PAGE;
    size_t of_block = heap->size / PAGE;

    for (size_t page = 0; page < pages; page += SHARE)
        heap->blocks[page / of_block][page % of_block * PAGE] = 2;
}

/* The child reports the space of its own files, and waits until the pipe is closed. */
_Noreturn static void be_child(const int *to_child, const int *to_parent)
{
    double space = 0;
    char byte;

    close(to_child[1]);
    each_file(add_new_file, &space);
    if (write(to_parent[1], &space, sizeof(space)) != sizeof(space))
        _exit(EXIT_FAILURE);
    _exit(read(to_child[0], &byte, 1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void wait_for(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child || status != 0)
        fail("the child");
}

static void measure_heap(size_t mib, size_t kib)
{
    struct heap heap = fill(mib, kib);
    int to_child[2], to_parent[2];
    double space;

    if (pipe(to_child) != 0 || pipe(to_parent) != 0)
        fail("pipe");
    each_file(note_file, NULL);
    double begin = now();
    pid_t child = fork();
    double pause = now() - begin;

    if (child < 0)
        fail("fork");
    if (child == 0)
        be_child(to_child, to_parent);
    if (read(to_parent[0], &space, sizeof(space)) != sizeof(space))
        fail("read");
    begin = now();
    write_some(&heap);
    double writes = now() - begin;
    double private = anonymous_memory();

    close(to_child[1]);
    wait_for(child);
    begin = now();
    (void)malloc_trim(0);
    double thaw = now() - begin;

    printf("pause %.3f\nspace %.1f\nwrites %.3f\nprivate %.1f\nthaw %.3f\nthawed %.1f\n",
           pause * MS, space, writes * MS, private, thaw * MS, anonymous_memory());
}

/* -- Kinds ------------------------------------------------------------------------------------- */

static double fork_time(void)
{
    double begin = now();
    pid_t child = fork();
    double time = now() - begin;

    if (child < 0)
        fail("fork");
    if (child == 0)
        _exit(EXIT_SUCCESS);
    wait_for(child);
    return time;
}

/* The least of some. */
static double later_fork_time(void)
{
    double best = fork_time();

    for (int i = 1; i < LATER; i++) {
        double time = fork_time();

        best = time < best ? time : best;
    }
    return best;
}

/* The functions of the library, which is loaded for the kinds alone. */
static struct {
    struct memkind_config *(*config_new)(void);
    void (*set_path)(struct memkind_config *, const char *);
    void (*set_fork)(struct memkind_config *, memkind_fork_mode);
    int (*create)(struct memkind_config *, memkind_t *);
    void *(*malloc)(memkind_t, size_t);
} functions;

/* Stores the address of a function in *(a pointer to a function) at slot. */
static void find(void *library, const char *name, void *slot)
{
    void *found = dlsym(library, name);

    if (found == NULL) {
        fprintf(stderr, "no %s\n", name);
        exit(EXIT_FAILURE);
    }
    memcpy(slot, &found, sizeof(found));
}

static void load_library(void)
{
    const char *path = getenv("MEMKIND_LIBRARY");
    void *library = dlopen(path != NULL ? path : "libmemkind.so.0", RTLD_NOW);

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    find(library, "memkind_config_new", &functions.config_new);
    find(library, "memkind_config_set_path", &functions.set_path);
    find(library, "memkind_config_set_fork", &functions.set_fork);
    find(library, "memkind_create_pmem_with_config", &functions.create);
    find(library, "memkind_malloc", &functions.malloc);
}

static void make_kinds(int count, const char *dir)
{
    struct memkind_config *config = functions.config_new();

    functions.set_path(config, dir);
    functions.set_fork(config, MEMKIND_FORK_SNAPSHOT);
    for (int i = 0; i < count; i++) {
        memkind_t kind;

        if (functions.create(config, &kind) != MEMKIND_SUCCESS)
            fail("a kind");
        char *block = functions.malloc(kind, PAGE);
        if (block == NULL)
            fail("a block");
        block[0] = 1;
    }
}

static void measure_kinds(int count, const char *dir)
{
    load_library();
    double without = later_fork_time();
    make_kinds(count, dir);
    double first = fork_time();

    printf("first %.2f\nlater %.2f\n", (first - without) / count * US,
           (later_fork_time() - without) / count * US);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--kinds") == 0) {
        measure_kinds((int)strtol(argv[2], NULL, BASE), argv[3]);
        return EXIT_SUCCESS;
    }
    if (argc != 3) {
        fprintf(stderr, "Usage: %s MIB KIB | --kinds N DIRECTORY\n", argv[0]);
        return EXIT_FAILURE;
    }
    measure_heap(strtoul(argv[1], NULL, BASE), strtoul(argv[2], NULL, BASE));
    return EXIT_SUCCESS;
}
