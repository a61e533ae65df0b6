/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose malloc is on tiers: tiers CASE [ARGUMENT...]. It uses libmemkind only to find a
 * block's kind.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "memkind/internal/memkind_private.h"

#define KIB          ((size_t)1 << 10)
#define MIB          ((size_t)1 << 20)
#define BLOCKS       20000
#define LATE_ROUNDS  4 /* PTHREAD_DESTRUCTOR_ITERATIONS */
#define LATE_THREADS 50
#define LARGE_BLOCKS 64
#define REPEAT       100

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* -- Where a block is -------------------------------------------------------------------------- */

enum tier { LIBC, DRAM, FAR };

static struct memkind *(*detect)(void *);
static struct memkind **default_kind;

static void find_memkind(void)
{
    *(void **)&detect = dlsym(RTLD_DEFAULT, "memkind_detect_kind");
    default_kind = dlsym(RTLD_DEFAULT, "MEMKIND_DEFAULT");
    CHECK(detect != NULL && default_kind != NULL);
}

static enum tier tier_of(void *block)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    CHECK(pthread_once(&once, find_memkind) == 0);
    const struct memkind *kind = detect(block);
    return kind == NULL ? LIBC : kind == *default_kind ? DRAM : FAR;
}

/* -- A ratio ----------------------------------------------------------------------------------- */

/* Allocates a block of any size by any function. None may be libc's. */
static void *allocate(unsigned i)
{
    size_t size = 1 + (i * 2654435761u >> 8) % (4 * KIB);
    void *block = NULL;

    switch (i % 4) {
    case 0:
        return malloc(size);
    case 1:
        return calloc(1, size);
    case 2:
        return realloc(malloc(size / 2), size);
    default:
        return posix_memalign(&block, 64, size) == 0 ? block : NULL;
    }
}

static void check_ratio(void **blocks, double wanted)
{
    double bytes[FAR + 1] = {0};

    for (unsigned i = 0; i < BLOCKS; i++) {
        enum tier tier = tier_of(blocks[i]);

        CHECK(tier != LIBC);
        bytes[tier] += (double)malloc_usable_size(blocks[i]);
    }
    printf("%.0f bytes in DRAM, %.0f in the other tier\n", bytes[DRAM], bytes[FAR]);
    double reached = bytes[FAR] / bytes[DRAM] / wanted;
    CHECK(reached > 0.9 && reached < 1.1);
}

/* tiers ratio DRAM FAR */
static void case_ratio(char **arguments)
{
    static void *blocks[BLOCKS];
    double wanted = atof(arguments[1]) / atof(arguments[0]);

    for (unsigned i = 0; i < BLOCKS; i++)
        CHECK((blocks[i] = allocate(i)) != NULL);
    check_ratio(blocks, wanted);
    for (unsigned i = 0; i < BLOCKS; i += 2) {
        free(blocks[i]);
        CHECK((blocks[i] = allocate(i + 1)) != NULL);
    }
    check_ratio(blocks, wanted);
    for (unsigned i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

/* tiers threshold SIZE: blocks of SIZE are in the other tier. */
static void case_threshold(char **arguments)
{
    size_t size = strtoul(arguments[0], NULL, 10);

    for (int i = 0; i < REPEAT; i++) {
        void *below = malloc(size - 1);
        void *above = malloc(size);

        CHECK(tier_of(below) == DRAM && tier_of(above) == FAR);
        /* A block stays in its tier. */
        below = realloc(below, 2 * size);
        above = realloc(above, size / 2);
        CHECK(tier_of(below) == DRAM && tier_of(above) == FAR);
        free(below);
        free(above);
    }
}

/* With one tier of 16 MiB: allocations fail when it is full. */
static void case_full(char **arguments)
{
    void *blocks[LARGE_BLOCKS];

    (void)arguments;
    for (int round = 0; round < 2; round++) {
        size_t requested = 0;

        while (requested < LARGE_BLOCKS && (blocks[requested] = malloc(MIB)) != NULL)
            memset(blocks[requested++], 1, MIB);
        CHECK(errno == ENOMEM && requested > 8 && requested <= 16);
        errno = 0;
        CHECK(calloc(8, MIB) == NULL && errno == ENOMEM);
        void *untouched = blocks;
        CHECK(posix_memalign(&untouched, 64, 8 * MIB) == ENOMEM && untouched == blocks);
        CHECK(realloc(blocks[0], 8 * MIB) == NULL && *(char *)blocks[0] == 1);
        while (requested > 0)
            free(blocks[--requested]);
    }
}

/* -- Late destructors -------------------------------------------------------------------------- */

static pthread_key_t late_key;

struct late {
    unsigned round;
    char *text;
};

/* Allocates in every round of destructors, also in the last one, after the libraries' own. */
static void destroy_late(void *value)
{
    struct late *late = value;

    CHECK(strcmp(late->text, "late") == 0);
    late->text = realloc(late->text, 100 * (late->round + 1));
    CHECK(tier_of(late->text) != LIBC && strcmp(late->text, "late") == 0);
    free(malloc(3 * KIB));
    if (++late->round < LATE_ROUNDS) {
        CHECK(pthread_setspecific(late_key, late) == 0);
        return;
    }
    free(late->text);
    free(late);
}

static void *live(void *unused)
{
    struct late *late = calloc(1, sizeof(*late));

    (void)unused;
    late->text = strdup("late");
    CHECK(pthread_setspecific(late_key, late) == 0);
    return malloc(KIB);
}

static void case_late(char **arguments)
{
    (void)arguments;
    CHECK(pthread_key_create(&late_key, destroy_late) == 0);
    for (int i = 0; i < LATE_THREADS; i++) {
        pthread_t threads[2];
        void *blocks[2];

        for (size_t j = 0; j < COUNT_OF(threads); j++)
            CHECK(pthread_create(&threads[j], NULL, live, NULL) == 0);
        for (size_t j = 0; j < COUNT_OF(threads); j++) {
            CHECK(pthread_join(threads[j], &blocks[j]) == 0);
            free(blocks[j]);
        }
    }
}

/* -- Other names ------------------------------------------------------------------------------- */

static void *find(const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);

    CHECK(function != NULL);
    return function;
}

static void case_names(char **arguments)
{
    void *(*je_malloc)(size_t), *(*je_calloc)(size_t, size_t), *(*je_realloc)(void *, size_t);
    int (*je_posix_memalign)(void **, size_t, size_t);
    size_t (*je_malloc_usable_size)(void *);
    void (*je_free)(void *);
    void *block;

    (void)arguments;
    *(void **)&je_malloc = find("je_malloc");
    *(void **)&je_calloc = find("je_calloc");
    *(void **)&je_realloc = find("je_realloc");
    *(void **)&je_posix_memalign = find("je_posix_memalign");
    *(void **)&je_malloc_usable_size = find("je_malloc_usable_size");
    *(void **)&je_free = find("je_free");
    block = je_realloc(je_malloc(100), 200);
    CHECK(tier_of(block) != LIBC && je_malloc_usable_size(block) >= 200);
    free(block);
    CHECK(je_posix_memalign(&block, 4096, 100) == 0 && (size_t)block % 4096 == 0);
    je_free(block);
    block = je_calloc(10, 10);
    CHECK(tier_of(block) != LIBC && *(char *)block == 0);
    je_free(block);
    block = malloc(100);
    je_free(block);
}

/* ---------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(char **arguments);
        int arguments;
    } cases[] = {
        {"ratio", case_ratio, 2}, {"threshold", case_threshold, 1}, {"full", case_full, 0},
        {"late", case_late, 0},   {"names", case_names, 0},
    };

    for (size_t i = 0; argc > 1 && i < COUNT_OF(cases); i++)
        if (strcmp(argv[1], cases[i].name) == 0 && argc == 2 + cases[i].arguments) {
            cases[i].run(argv + 2);
            return 0;
        }
    fputs("usage: tiers CASE [ARGUMENT...]\n", stderr);
    return 2;
}
