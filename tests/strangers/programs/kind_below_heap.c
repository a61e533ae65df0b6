/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with a PMEM kind of its own, whose children have copies, on the preload library.
 * Report: the kind's data lay in the preload library's heap, and the child's changes to it changed
 * the parent's kind.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 200
#define SIZE   ((size_t)5000)

/*
 * From memkind.h. This program cannot be linked with the library: a static library would have
 * another kind.
 */
struct memkind;
struct memkind_config;
enum { FORK_SNAPSHOT = 1 };

static struct {
    struct memkind_config *(*config_new)(void);
    void (*config_set_path)(struct memkind_config *, const char *);
    void (*config_set_size)(struct memkind_config *, size_t);
    void (*config_set_fork)(struct memkind_config *, int);
    int (*create)(struct memkind_config *, struct memkind **);
    int (*destroy)(struct memkind *);
    void *(*malloc)(struct memkind *, size_t);
    void (*free)(struct memkind *, void *);
    struct memkind *(*detect)(void *);
} memkind;

static void check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "kind_below_heap: not so: %s\n", what);
    _exit(1);
}

static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    check(found != NULL, name);
    memcpy(function, &found, sizeof(found));
}

static void find_all(void)
{
    find(&memkind.config_new, "memkind_config_new");
    find(&memkind.config_set_path, "memkind_config_set_path");
    find(&memkind.config_set_size, "memkind_config_set_size");
    find(&memkind.config_set_fork, "memkind_config_set_fork");
    find(&memkind.create, "memkind_create_pmem_with_config");
    find(&memkind.destroy, "memkind_destroy_kind");
    find(&memkind.malloc, "memkind_malloc");
    find(&memkind.free, "memkind_free");
    find(&memkind.detect, "memkind_detect_kind");
}

static void fill(char *blocks[], struct memkind *kind, int letter)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind.malloc(kind, SIZE);
        check(blocks[i] != NULL, "there is a block");
        memset(blocks[i], letter, SIZE);
    }
}

static void check_and_free(char *blocks[], struct memkind *kind, int letter)
{
    for (int i = 0; i < BLOCKS; i++) {
        for (size_t j = 0; j < SIZE; j++)
            check(blocks[i][j] == letter, "a block holds what was written");
        memkind.free(kind, blocks[i]);
    }
}

static void live(struct memkind *kind, char *blocks[], int letter)
{
    char *more[BLOCKS];

    fill(more, kind, letter);
    check_and_free(blocks, kind, 'a');
    check_and_free(more, kind, letter);
    check(memkind.destroy(kind) == 0, "the kind ends");
}

int main(int argc, char **argv)
{
    char *blocks[BLOCKS];
    struct memkind *kind;
    int status;

    check(argc == 2, "the directory is an argument");
    find_all();
    /* The thread uses the fast path. */
    check(memkind.detect(malloc(SIZE)) != NULL, "malloc is served from a kind");
    struct memkind_config *config = memkind.config_new();
    check(memkind.detect(config) == NULL, "a configuration is in libc's heap");

    memkind.config_set_path(config, argv[1]);
    memkind.config_set_size(config, 0);
    memkind.config_set_fork(config, FORK_SNAPSHOT);
    check(memkind.create(config, &kind) == 0, "there is a kind");
    check(memkind.detect(kind) == NULL, "its data is in libc's heap");

    fill(blocks, kind, 'a');
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            live(kind, blocks, 'b');
            _exit(0);
        }
        check(waitpid(child, &status, 0) == child && status == 0, "the child is well");
    }
    live(kind, blocks, 'c');
    return 0;
}
