/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about where kinds lie: paths of directories, and memory of the program. */
#include "behaviour.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- Paths ------------------------------------------------------------------------------------- */

static char path[PATH_MAX];

/* Returns a path below the directory. */
static const char *below(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void say_created(const char *in)
{
    memkind_t kind = NULL;
    int status = memkind_create_pmem(in, 0, &kind);

    say_status(status);
    if (status == MEMKIND_SUCCESS)
        (void)memkind_destroy_kind(kind);
}

static void spellings(void)
{
    static const char *const names[] = {"", "//", ".", "./.", "../."};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        say_created(below(names[i]));
}

static void links(void)
{
    (void)unlink(below("link"));
    if (symlink(dir, below("link")) != 0)
        say("cannot be tried");
    say_created(below("link"));
    say_created(below("link/"));
    say_created(below("link/."));
    (void)unlink(below("link"));
    if (symlink("/nonexistent", below("link")) != 0)
        say("cannot be tried");
    say_created(below("link"));
    (void)unlink(below("link"));
}

static void relative(void)
{
    if (chdir(dir) != 0)
        say("cannot be tried");
    say_created(".");
    say_created("./");
    say_created("nonexistent");
    memkind_t kind = NULL;
    say_status(memkind_create_pmem(".", 0, &kind));
    if (chdir("/") != 0)
        say("cannot be tried");
    say_block(memkind_malloc(kind, 10 * MIB));
}

static void removed(void)
{
    memkind_t kind = NULL;

    if (mkdir(below("gone"), 0700) != 0)
        say("cannot be tried");
    say_status(memkind_create_pmem(below("gone"), 0, &kind));
    say("%d", rmdir(below("gone")));
    say_block(memkind_malloc(kind, 10 * MIB));
    say("%s", memkind_get_capacity(kind) > 0 ? "a capacity" : "none");
    say_status(memkind_destroy_kind(kind));
}

static void mask(void)
{
    umask(0777);
    memkind_t kind = make_kind(0);

    say_block(memkind_malloc(kind, MIB));
    say_status(memkind_destroy_kind(kind));
}

static void no_descriptors(void)
{
    struct rlimit limit;
    memkind_t kind = UNTOUCHED;

    getrlimit(RLIMIT_NOFILE, &limit);
    memkind_t before = make_kind(0);
    rlim_t most = limit.rlim_cur;
    limit.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &limit);
    say_status(memkind_create_pmem(dir, 0, &kind));
    say("%s", kind == UNTOUCHED ? "kind untouched" : "kind changed");
    say_block(memkind_malloc(before, 20 * MIB));
    limit.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &limit);
    say_status(memkind_create_pmem(dir, 0, &kind));
}

static void other_user(void)
{
    memkind_t kind = make_kind(0);

    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        say("cannot be tried");
    char *block = memkind_malloc(kind, 10 * MIB);
    say_block(block);
    memset(block, 1, 10 * MIB);
    memkind_free(kind, block);
    say_status(memkind_destroy_kind(kind));
}

/* -- Memory of the program --------------------------------------------------------------------- */

#define AREA (32 * MIB)

static char *map(int protection, int flags)
{
    return mmap(NULL, AREA, protection, flags | MAP_ANONYMOUS, -1, 0);
}

static memkind_t make_fixed(char *area, size_t size)
{
    memkind_t kind = NULL;

    say_status(memkind_create_fixed(area, size, &kind));
    return kind;
}

static void blocks_within(void)
{
    static const size_t sizes[] = {1, 100, 4 * KIB, 20 * KIB, MIB};
    char *area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    memkind_t kind = make_fixed(area, AREA);
    int outside = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *block = memkind_malloc(kind, sizes[i]);

        outside += block < area || block + sizes[i] > area + AREA;
    }
    say("%d outside", outside);
    say("%zd", memkind_get_capacity(kind));
    say_status(memkind_check_available(kind));
    errno = 0;
    say_block(memkind_malloc(kind, 2 * AREA));
    void *aligned = NULL;
    say("%d", memkind_posix_memalign(kind, &aligned, MIB, 100));
    say("%zu", (size_t)((uintptr_t)aligned % MIB));
    say("%s", memkind_detect_kind(aligned) == kind ? "the kind" : "another");
}

static void area_survives(void)
{
    char *area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    memkind_t kind = make_fixed(area, AREA);
    char *block = memkind_malloc(kind, 1000);

    memset(block, 7, 1000);
    say_status(memkind_destroy_kind(kind));
    say("%d", block[999]);
    say("%d", munmap(area, AREA));
}

static void shared_area(void)
{
    char *area = map(PROT_READ | PROT_WRITE, MAP_SHARED);
    char *block = memkind_malloc(make_fixed(area, AREA), 1000);

    block[0] = 'x';
    if (fork() == 0) {
        block[0] = 'y';
        _exit(0);
    }
    wait(NULL);
    say("%c", block[0]);
}

static void odd_areas(void)
{
    static const size_t offsets[] = {1, 8, 4095, 4097};
    char *area = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);

    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        memkind_t kind = make_fixed(area + offsets[i], 16 * MIB + 12345);

        say_block(memkind_malloc(kind, MIB));
        (void)memkind_destroy_kind(kind);
    }
}

static void *use_stack(void *unused)
{
    char area[20 * MIB];
    memkind_t kind = make_fixed(area, sizeof(area));

    say_block(memkind_malloc(kind, SMALL));
    say_status(memkind_destroy_kind(kind));
    return unused;
}

static void area_on_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, AREA);
    pthread_create(&thread, &attributes, use_stack, NULL);
    pthread_join(thread, NULL);
}

/* -- Sizes ------------------------------------------------------------------------------------- */

static void usable_sizes(void)
{
    static const size_t sizes[] = {1,     9,     17,           100,    129,     1025,    4097,
                                   14336, 14337, 20 * KIB + 1, 100000, MIB + 1, 3 * MIB, 5000000};
    const memkind_t kinds[] = {make_kind(0), MEMKIND_DEFAULT, MEMKIND_REGULAR};
    size_t differing = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t usable = memkind_malloc_usable_size(kinds[0], memkind_malloc(kinds[0], sizes[i]));

        say("%zu", usable);
        for (size_t k = 1; k < 3; k++)
            differing +=
                memkind_malloc_usable_size(kinds[k], memkind_malloc(kinds[k], sizes[i])) != usable;
    }
    say("%zu differ", differing);
}

static void usable_sizes_after_realloc(void)
{
    static const size_t sizes[] = {1, 100, 1000, 5000, 20000, 100000, MIB, 5 * MIB};
    memkind_t kind = make_kind(0);
    size_t sum = 0;
    size_t lost = 0;

    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++) {
            size_t kept = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
            char *block = memset(memkind_malloc(kind, sizes[i]), 1, sizes[i]);

            block = memkind_realloc(kind, block, sizes[j]);
            lost += block[0] != 1 || block[kept / 2] != 1 || block[kept - 1] != 1;
            sum += memkind_malloc_usable_size(kind, block);
            memkind_free(kind, block);
        }
    say("%zu", sum);
    say("%zu lost", lost);
}

static void usable_sizes_of_aligned(void)
{
    static const size_t alignments[] = {64, 4 * KIB, 64 * KIB, MIB};
    memkind_t kind = make_kind(0);

    for (size_t i = 0; i < 4; i++) {
        void *block = NULL;

        for (size_t size = 100; size <= 100000; size *= 1000) {
            (void)memkind_posix_memalign(kind, &block, alignments[i], size);
            say("%zu", memkind_malloc_usable_size(kind, block));
        }
    }
}

static void calloc_of_used(void)
{
    const memkind_t kinds[] = {make_kind(64 * MIB), MEMKIND_DEFAULT};
    size_t wrong = 0;

    for (size_t i = 0; i < 2000; i++) {
        size_t size = 1 + i * 7919 % (i % 10 != 0 ? 5000 : 500000);
        char *block = memkind_calloc(kinds[i % 2], 1, size);

        wrong += block[0] != 0 || block[size / 2] != 0 || block[size - 1] != 0;
        memset(block, 0xff, size);
        memkind_free(kinds[i % 2], block);
    }
    say("%zu wrong", wrong);
}

static void shrink_when_full(void)
{
    enum { BLOCKS = 20000 };
    static char *blocks[BLOCKS];
    memkind_t kind = make_kind(16 * MIB);
    size_t count = 0;
    size_t failures = 0;

    while (count < BLOCKS && (blocks[count] = memkind_malloc(kind, KIB)) != NULL)
        count++;
    for (size_t i = 0; i < count; i++) {
        char *block = memkind_realloc(kind, blocks[i], KIB - 1);

        failures += block != blocks[i];
    }
    say("%zu failures", failures);
    say_block(memkind_realloc(kind, blocks[0], 2 * MIB));
    for (size_t i = 0; i < count; i++)
        memkind_free(kind, blocks[i]);
    size_t again = 0;
    while (memkind_malloc(kind, KIB) != NULL)
        again++;
    say("%s", again + 64 >= count ? "full again" : "less");
}

const struct question places_questions[] = {
    {"path-spellings", spellings, "SUCCESS, SUCCESS, SUCCESS, SUCCESS, SUCCESS"},
    {"path-links", links, "SUCCESS, SUCCESS, SUCCESS, INVALID"},
    {"path-relative", relative, "SUCCESS, SUCCESS, INVALID, SUCCESS, a block"},
    {"path-removed", removed, "SUCCESS, 0, a block, a capacity, SUCCESS"},
    {"path-mask", mask, "a block, SUCCESS"},
    {"no-descriptors", no_descriptors, "INVALID, kind untouched, a block, SUCCESS"},
    {"other-user", other_user, "a block, SUCCESS"},
    {"fixed-blocks-within", blocks_within,
     "SUCCESS, 0 outside, 33554432, SUCCESS, NULL, ENOMEM, 0, 0, the kind"},
    {"fixed-area-survives", area_survives, "SUCCESS, SUCCESS, 7, 0"},
    {"fixed-shared-area", shared_area, "SUCCESS, y"},
    {"fixed-odd-areas", odd_areas,
     "SUCCESS, a block, SUCCESS, a block, SUCCESS, a block, SUCCESS, a block"},
    {"fixed-area-on-stack", area_on_stack, "SUCCESS, a block, SUCCESS"},
    {"usable-sizes", usable_sizes,
     "8, 16, 32, 112, 160, 1280, 5120, 14336, 16384, 24576, 114688, 1310720, 3145728, 5242880, "
     "0 differ"},
    {"usable-sizes-after-realloc", usable_sizes_after_realloc, "51463104, 0 lost"},
    {"usable-sizes-of-aligned", usable_sizes_of_aligned,
     "128, 114688, 4096, 114688, 16384, 114688, 16384, 114688"},
    {"calloc-of-used", calloc_of_used, "0 wrong"},
    {"shrink-when-full", shrink_when_full, "0 failures, NULL, ENOMEM, full again"},
    {NULL, NULL, NULL},
};
