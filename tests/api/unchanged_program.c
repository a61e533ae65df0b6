/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program like those of users: written for memkind 1.14, compiled against its headers, linked
 * with its library. It prints the results of all calls in words that do not depend on addresses, so
 * that the output of two libraries can be compared.
 *
 * unchanged_program DIRECTORY [LIBRARY]: with LIBRARY, prints to standard error whether that
 * library is loaded.
 */
#include <errno.h>
#include <memkind.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_SIZE ((size_t)64 << 20)
#define BLOCKS    1000
#define THREADS   4

static void say(const char *what, long long value)
{
    printf("%-60s %lld\n", what, value);
}

static bool is_zero(const char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != 0)
            return false;
    return true;
}

static void heap(const char *name, memkind_t kind)
{
    char *blocks[BLOCKS];
    long long good = 0;
    void *aligned = NULL;

    printf("-- heap of %s\n", name);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, i + 1);
        if (blocks[i] != NULL)
            memset(blocks[i], (int)(i % 100), i + 1);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        good += blocks[i] != NULL && blocks[i][0] == (char)(i % 100) &&
                blocks[i][i] == (char)(i % 100) && memkind_detect_kind(blocks[i]) == kind &&
                memkind_malloc_usable_size(kind, blocks[i]) >= i + 1;
    say("blocks that are as they were written", good);
    good = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_realloc(kind, blocks[i], 3 * (i + 1));
        good += blocks[i] != NULL && blocks[i][i] == (char)(i % 100);
    }
    say("blocks that have grown and kept what was in them", good);
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
    blocks[0] = memkind_calloc(kind, 1000, 100);
    say("calloc is zero", blocks[0] != NULL && is_zero(blocks[0], 100000));
    memkind_free(kind, blocks[0]);
    for (size_t alignment = 8; alignment <= (size_t)1 << 21; alignment *= 2) {
        int result = memkind_posix_memalign(kind, &aligned, alignment, 100);

        if (result != 0 || (uintptr_t)aligned % alignment != 0)
            say("alignment is not honoured", (long long)alignment);
        else
            memkind_free(kind, aligned);
    }
    say("posix_memalign, alignment 3", memkind_posix_memalign(kind, &aligned, 3, 100));
    say("posix_memalign, alignment 4", memkind_posix_memalign(kind, &aligned, 4, 100));
    say("malloc of 0 is NULL", memkind_malloc(kind, 0) == NULL);
    say("calloc of 0 is NULL", memkind_calloc(kind, 0, 10) == NULL);
    say("realloc to 0 is NULL", memkind_realloc(kind, memkind_malloc(kind, 10), 0) == NULL);
    errno = 0;
    say("malloc of too much is NULL", memkind_malloc(kind, SIZE_MAX / 2) == NULL);
    say("... with ENOMEM", errno == ENOMEM);
    memkind_free(kind, NULL);
    say("defrag_reallocate of NULL is NULL", memkind_defrag_reallocate(kind, NULL) == NULL);
}

static void *work(void *kind)
{
    for (size_t round = 0; round < 100; round++) {
        void *blocks[50];

        for (size_t i = 0; i < 50; i++) {
            blocks[i] = memkind_malloc(kind, 10 + i * 20);
            if (blocks[i] == NULL)
                return kind;
            memset(blocks[i], 1, 10 + i * 20);
        }
        for (size_t i = 0; i < 50; i++)
            memkind_free(kind, blocks[i]);
    }
    return NULL;
}

/*
 * One thread after another, in a kind of their own: memkind 1.14 crashes in many runs when threads
 * share a kind whose arenas are adjacent.
 */
static void threads(const char *dir)
{
    memkind_t kind = NULL;
    long long good = 0;

    printf("-- threads\n");
    say("create_pmem", memkind_create_pmem(dir, 0, &kind));
    for (size_t i = 0; i < THREADS; i++) {
        pthread_t id;
        void *result;

        if (pthread_create(&id, NULL, work, kind) != 0)
            exit(1);
        pthread_join(id, &result);
        good += result == NULL;
    }
    say("threads that were served", good);
    say("destroy_kind", memkind_destroy_kind(kind));
}

static void statistics(memkind_t kind)
{
    size_t resident, active, allocated;
    void *block = memkind_malloc(kind, (size_t)3 << 20);

    say("update_cached_stats", memkind_update_cached_stats());
    say("get_stat, resident", memkind_get_stat(kind, MEMKIND_STAT_TYPE_RESIDENT, &resident));
    say("get_stat, active", memkind_get_stat(kind, MEMKIND_STAT_TYPE_ACTIVE, &active));
    say("get_stat, allocated", memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated));
    say("... are in order", resident >= active && active >= allocated);
    say("... count the block", allocated >= (size_t)3 << 20);
    say("get_stat, unknown", memkind_get_stat(kind, MEMKIND_STAT_TYPE_MAX_VALUE, &allocated));
    say("get_stat of all", memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &allocated));
    memkind_free(kind, block);
}

static void limited_kind(const char *dir)
{
    memkind_t kind = NULL;
    size_t count = 0;
    void *block;
    void *last = NULL;

    printf("-- a limited kind\n");
    say("create_pmem", memkind_create_pmem(dir, KIND_SIZE, &kind));
    say("check_available", memkind_check_available(kind));
    say("get_capacity", memkind_get_capacity(kind));
    heap("a limited kind", kind);
    statistics(kind);
    errno = 0;
    while ((block = memkind_malloc(kind, (size_t)1 << 20)) != NULL) {
        memset(block, 1, (size_t)1 << 20);
        last = block;
        count++;
    }
    say("a full kind says ENOMEM", errno == ENOMEM);
    say("... after as much as there was", count >= 40 && count <= 64);
    memkind_free(kind, last);
    block = memkind_malloc(kind, (size_t)1 << 20);
    say("... and goes on when there is room", block != NULL);
    say("destroy_kind", memkind_destroy_kind(kind));
}

static void configured_kind(const char *dir)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    printf("-- a kind from a configuration\n");
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    say("create_pmem_with_config", memkind_create_pmem_with_config(config, &kind));
    memkind_config_delete(config);
    heap("a conservative kind", kind);
    say("destroy_kind", memkind_destroy_kind(kind));
}

static void errors(const char *dir)
{
    memkind_t kind = NULL;

    printf("-- errors\n");
    say("create_pmem, too small", memkind_create_pmem(dir, MEMKIND_PMEM_MIN_SIZE - 1, &kind));
    say("create_pmem, no directory", memkind_create_pmem("/no/such/directory", 0, &kind));
    say("detect_kind of NULL is NULL", memkind_detect_kind(NULL) == NULL);
    for (int error = 0; error > -23; error--) {
        char text[MEMKIND_ERROR_MESSAGE_SIZE] = "";

        memkind_error_message(error, text, sizeof(text));
        if (text[0] == '\0')
            say("error without a message", error);
    }
}

/* Prints to standard error whether the library is mapped. */
static int check_library(const char *library)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[8192];
    bool found = false;

    if (maps == NULL)
        return 1;
    while (fgets(line, sizeof(line), maps) != NULL)
        found |= strstr(line, library) != NULL;
    fclose(maps);
    fprintf(stderr, "%s is %s\n", library, found ? "mapped" : "not mapped");
    return found ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    say("version", memkind_get_version());
    heap("DEFAULT", MEMKIND_DEFAULT);
    heap("REGULAR", MEMKIND_REGULAR);
    limited_kind(argv[1]);
    configured_kind(argv[1]);
    threads(argv[1]);
    errors(argv[1]);
    return argc > 2 ? check_library(argv[2]) : 0;
}
