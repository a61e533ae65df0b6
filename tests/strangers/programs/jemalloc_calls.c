/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that calls jemalloc's own functions on blocks of the preload library's malloc crashed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "jemalloc_calls: line %d: not so: %s\n", line, what);
    _exit(1);
}

static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL)
        exit(77);
    memcpy(function, &found, sizeof(found));
}

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
    /* Blocks of one interface go to the other. */
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
    /* Who sees whether malloc is jemalloc's asks this; what depends on it is not here. */
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
    look_at_errors();
    je.malloc_stats_print(count, &length, "ablx");
    CHECK(length > 0);
    in_child();
    return 0;
}
