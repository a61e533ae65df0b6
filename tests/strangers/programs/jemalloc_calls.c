/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls jemalloc's own functions on blocks of the preload library's malloc. Report: such programs
 * crashed.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jemalloc.h"

#define SIZE      ((size_t)1000)
#define ALIGNMENT ((size_t)4096)
#define LG_ALIGN  12
#define ZERO      0x40
#define NO_CACHE  0x100 /* MALLOCX_TCACHE_NONE */
#define ARENA_0   (1 << 20)
#define MIB       ((size_t)1 << 20)

static struct {
    void *(*mallocx)(size_t, int);
    void *(*rallocx)(void *, size_t, int);
    size_t (*xallocx)(void *, size_t, size_t, int);
    size_t (*sallocx)(const void *, int);
    size_t (*nallocx)(size_t, int);
    void (*dallocx)(void *, int);
    void (*sdallocx)(void *, size_t, int);
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    int (*mallctlnametomib)(const char *, size_t *, size_t *);
    int (*mallctlbymib)(const size_t *, size_t, void *, size_t *, void *, size_t);
    void (*malloc_stats_print)(void (*)(void *, const char *), void *, const char *);
} je;

static void find_all(void)
{
    find(&je.mallocx, "mallocx");
    find(&je.rallocx, "rallocx");
    find(&je.xallocx, "xallocx");
    find(&je.sallocx, "sallocx");
    find(&je.nallocx, "nallocx");
    find(&je.dallocx, "dallocx");
    find(&je.sdallocx, "sdallocx");
    find(&je.mallctl, "mallctl");
    find(&je.mallctlnametomib, "mallctlnametomib");
    find(&je.mallctlbymib, "mallctlbymib");
    find(&je.malloc_stats_print, "malloc_stats_print");
}

static bool is_zero(const char *block, size_t from, size_t to)
{
    while (from < to && block[from] == 0)
        from++;
    return from >= to;
}

static void look_at_blocks(void)
{
    /* Blocks of one interface are freed by the other. */
    je.dallocx(malloc(SIZE), 0);
    je.sdallocx(malloc(SIZE), SIZE, 0);
    free(je.mallocx(SIZE, 0));
    free(je.mallocx(SIZE, NO_CACHE | ARENA_0));
    for (size_t i = 0; i < 50; i++) {
        char *block = je.mallocx(SIZE, LG_ALIGN | ZERO);
        CHECK((uintptr_t)block % ALIGNMENT == 0 && is_zero(block, 0, SIZE));
        memset(block, 'x', je.sallocx(block, 0));
        block = je.rallocx(block, 3 * SIZE + i * ALIGNMENT, LG_ALIGN);
        CHECK((uintptr_t)block % ALIGNMENT == 0 && block[0] == 'x' && block[SIZE - 1] == 'x');
        je.dallocx(block, LG_ALIGN);
        block = je.mallocx(SIZE, ZERO);
        CHECK(is_zero(block, 0, SIZE));
        memset(block, 'x', SIZE);
        CHECK(malloc_usable_size(block) == je.sallocx(block, 0));
        CHECK(je.xallocx(block, SIZE, 0, 0) >= SIZE);
        size_t before = je.sallocx(block, 0);
        block = je.rallocx(block, 20 * SIZE, ZERO);
        CHECK(block[SIZE - 1] == 'x' && is_zero(block, before, 20 * SIZE));
        je.sdallocx(block, 20 * SIZE, 0);
    }
    CHECK(je.mallocx(SIZE_MAX / 4, 0) == NULL);
    for (size_t size = 1; size < 8 * MIB; size += 1 + size / 3) {
        void *block = malloc(size);
        CHECK(je.nallocx(size, 0) == je.sallocx(block, 0));
        free(block);
    }
    CHECK(je.nallocx(SIZE_MAX, 0) == 0);
}

static size_t stat_of(const char *name)
{
    uint64_t epoch = 1;
    size_t value = 0;
    size_t size = sizeof(epoch);

    CHECK(je.mallctl("epoch", &epoch, &size, &epoch, sizeof(epoch)) == 0 && epoch > 0);
    size = sizeof(value);
    CHECK(je.mallctl(name, &value, &size, NULL, 0) == 0);
    return value;
}

static void look_at_numbers(void)
{
    static char *blocks[1000];

    size_t before = stat_of("stats.allocated");
    for (size_t i = 0; i < 1000; i++)
        memset(blocks[i] = malloc(20 * SIZE), 'x', 20 * SIZE);
    size_t after = stat_of("stats.allocated");
    CHECK(after - before >= 1000 * 20 * SIZE && after - before < 2 * 1000 * 20 * SIZE);
    CHECK(stat_of("stats.active") >= after && stat_of("stats.resident") >= after);
    CHECK(stat_of("stats.mapped") >= after);
    for (size_t i = 0; i < 1000; i++)
        free(blocks[i]);
    CHECK(stat_of("stats.allocated") < before + MIB);
    CHECK(je.mallctl("arena.0.purge", NULL, NULL, NULL, 0) == 0);
    CHECK(je.mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0);
    CHECK(je.mallctl("thread.tcache.flush", NULL, NULL, NULL, 0) == 0);
    CHECK(stat_of("stats.mapped") < after);
}

static unsigned threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    unsigned count = 0;

    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/*
 * Background threads are off: each fork would wait for their locks. The library's idle thread does
 * their work.
 */
static void look_at_background_threads(void)
{
    bool flag = true;
    bool before = true;
    size_t size = sizeof(before);

    CHECK(je.mallctl("background_thread", &before, &size, &flag, sizeof(flag)) == 0);
    flag = false;
    CHECK(je.mallctl("background_thread", &flag, &size, NULL, 0) == 0 && flag);
    if (getenv("MEMKIND_IDLE_THREAD") != NULL)
        CHECK(threads() == 1);
    flag = false;
    CHECK(je.mallctl("background_thread", NULL, NULL, &flag, sizeof(flag)) == 0);
}

static size_t size_of_class(const char *name)
{
    size_t value = 0;
    size_t size = sizeof(value);

    CHECK(je.mallctl(name, &value, &size, NULL, 0) == 0);
    return value;
}

/* Figures of size classes and slabs, also for invalid numbers in a name. */
static void look_at_utilization(void)
{
    uint32_t bins = 0;
    size_t size = sizeof(bins);
    struct {
        void *filling;
        size_t free, blocks, bytes, all_free, all_blocks;
    } slab;
    size_t numbers[3 * 3];
    void *block = malloc(SIZE);
    void *large = malloc(MIB);
    void *asked[] = {block, large, &bins};

    CHECK(je.mallctl("arenas.nbins", &bins, &size, NULL, 0) == 0 && bins > 10);
    CHECK(size_of_class("arenas.bin.1.size") == 16);
    size = sizeof(size_t);
    CHECK(je.mallctl("arenas.bin.1000.size", numbers, &size, NULL, 0) == ENOENT);
    CHECK(je.mallctl("stats.arenas.0.bins.1000.curslabs", numbers, &size, NULL, 0) == ENOENT);
    CHECK(je.mallctl("stats.arenas.7.bins.1.curslabs", numbers, &size, NULL, 0) == EFAULT);
    CHECK(je.mallctl("arenas.bin.1.size", NULL, NULL, &size, sizeof(size)) == EPERM);
    size = sizeof(slab);
    CHECK(je.mallctl("experimental.utilization.query", &slab, &size, &block, sizeof(block)) == 0);
    CHECK(slab.blocks > 1 && slab.free < slab.blocks && slab.bytes >= SIZE * slab.blocks);
    CHECK(slab.all_blocks >= slab.blocks && slab.all_free < slab.all_blocks);
    size--;
    CHECK(je.mallctl("experimental.utilization.query", &slab, &size, &block, sizeof(block)) ==
          EINVAL);
    CHECK(je.mallctl("experimental.utilization.query", NULL, NULL, NULL, 0) == EINVAL);
    size = sizeof(numbers);
    CHECK(je.mallctl("experimental.utilization.batch_query", numbers, &size, asked,
                     sizeof(asked)) == 0);
    CHECK(numbers[1] == slab.blocks && numbers[2] == slab.bytes);
    CHECK(numbers[3] == 0 && numbers[4] == 1 && numbers[5] >= MIB);
    CHECK(numbers[6] == 0 && numbers[7] == 0 && numbers[8] == 0);
    CHECK(je.mallctl("experimental.utilization.batch_query", numbers, &size, asked, 0) == EINVAL);
    size = 1;
    CHECK(je.mallctl("experimental.utilization.batch_query", numbers, &size, asked,
                     sizeof(asked)) == EINVAL);
    free(block);
    free(large);
}

/* From redis's own copy of jemalloc: returns whether moving the block would save memory. */
static void look_at_hints(void)
{
    enum { COUNT = 4000, FULL = COUNT / 2, SURVIVES = 50 };
    static void *blocks[COUNT];
    int (*hint)(void *);
    void *large = malloc(MIB);

    find(&hint, "je_get_defrag_hint");
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = je.mallocx(100, NO_CACHE);
    for (size_t i = FULL; i < COUNT; i++)
        if (i % SURVIVES != 0)
            je.dallocx(blocks[i], NO_CACHE);
    unsigned worth_it = 0;
    for (size_t i = FULL; i < COUNT; i += SURVIVES)
        worth_it += hint(blocks[i]) != 0;
    /* Blocks of the slab that is being filled are not worth moving. */
    CHECK(worth_it >= FULL / SURVIVES / 2);
    worth_it = 0;
    for (size_t i = 0; i < FULL - FULL / 10; i++)
        worth_it += hint(blocks[i]) != 0;
    CHECK(worth_it == 0);
    CHECK(hint(NULL) == 0 && hint(&large) == 0 && hint(large) == 0);
    for (size_t i = 0; i < COUNT; i += i < FULL ? 1 : SURVIVES)
        free(blocks[i]);
    free(large);
}

static void look_at_errors(void)
{
    bool flag;
    size_t mib[8] = {0};
    size_t length = 8;
    size_t size = sizeof(flag);
    unsigned short narrow;
    const char *version = NULL;

    CHECK(je.mallctl("no.such.name", NULL, NULL, NULL, 0) == ENOENT);
    CHECK(je.mallctl("stats", NULL, NULL, NULL, 0) == ENOENT);
    CHECK(je.mallctl("", NULL, NULL, NULL, 0) == ENOENT);
    /*
     * Programs check by this name whether malloc is jemalloc's. The library does not support what
     * they would do then.
     */
    CHECK(je.mallctl("thread.allocatedp", NULL, NULL, NULL, 0) == ENOENT);
    CHECK(je.mallctl("config.stats", NULL, NULL, &flag, sizeof(flag)) == EPERM);
    size = sizeof(narrow);
    CHECK(je.mallctl("stats.allocated", &narrow, &size, NULL, 0) == EINVAL);
    size = sizeof(version);
    CHECK(je.mallctl("version", &version, &size, NULL, 0) == 0 &&
          strncmp(version, "5.3.0", 5) == 0);
    CHECK(je.mallctlnametomib("no.such.name", mib, &length) == ENOENT);
    length = 8;
    CHECK(je.mallctlnametomib("arena.0.purge", mib, &length) == 0 && length == 3 && mib[1] == 0);
    mib[1] = 4096;
    CHECK(je.mallctlbymib(mib, length, NULL, NULL, NULL, 0) == 0);
    mib[1] = 77;
    CHECK(je.mallctlbymib(mib, length, NULL, NULL, NULL, 0) == EFAULT);
    CHECK(je.mallctlbymib(mib, 2, NULL, NULL, NULL, 0) == ENOENT);
    CHECK(je.mallctlbymib(mib, 0, NULL, NULL, NULL, 0) == ENOENT);
}

static void count(void *length, const char *text)
{
    *(size_t *)length += strlen(text);
}

static void in_child(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        look_at_blocks();
        look_at_numbers();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    size_t length = 0;

    find_all();
    look_at_blocks();
    look_at_numbers();
    look_at_background_threads();
    look_at_utilization();
    look_at_hints();
    look_at_errors();
    je.malloc_stats_print(count, &length, "ablx");
    CHECK(length > 0);
    in_child();
    return 0;
}
