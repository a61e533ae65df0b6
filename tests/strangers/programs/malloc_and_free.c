/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that defines malloc and free, but neither calloc nor realloc. Report: it died before
 * main(), because a library of the preload library called those functions on its blocks.
 *
 * With the argument "all", the program makes such calls itself, which is an error with libc alone.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define ARENA_SIZE ((size_t)16 << 20)
#define ALIGNMENT  ((size_t)16)
#define GUARD      ((size_t)64 << 10) /* the largest page */

static struct {
    unsigned char *begin;
    size_t used;
    size_t last; /* the size of the last block, while that can be freed */
} arena;

static int is_own(const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)arena.begin < ARENA_SIZE;
}

/* Behind the last block lies a page that cannot be read. */
static unsigned char *new_arena(void)
{
    unsigned char *begin =
        mmap(NULL, ARENA_SIZE + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (begin == MAP_FAILED || mprotect(begin + ARENA_SIZE, GUARD, PROT_NONE) != 0)
        _exit(2);
    return begin;
}

/* Allocates downwards: reading past a block reads older blocks, and then faults. */
EXPORT void *malloc(size_t size)
{
    if (arena.begin == NULL)
        arena.begin = new_arena();
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (size > ARENA_SIZE - arena.used)
        return NULL;
    arena.used += size;
    arena.last = size;
    return arena.begin + ARENA_SIZE - arena.used;
}

EXPORT void free(void *ptr)
{
    static const char message[] = "a block of somebody else is freed\n";

    if (ptr == NULL)
        return;
    if (is_own(ptr)) {
        /* The next block of this size gets this memory. */
        if (ptr == arena.begin + ARENA_SIZE - arena.used) {
            arena.used -= arena.last;
            arena.last = 0;
        }
        return;
    }
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(1);
}

static void check(void *block, const char *what)
{
    if (!is_own(block)) {
        fprintf(stderr, "%s: the block is somebody else's\n", what);
        _exit(1);
    }
    free(block);
}

static void grow(char *block, size_t before, size_t size)
{
    memset(block, 'x', before);
    block = realloc(block, size);
    for (size_t i = 0; i < before && i < size; i++)
        if (block[i] != 'x') {
            fprintf(stderr, "%zu bytes grown to %zu: byte %zu is lost\n", before, size, i);
            _exit(1);
        }
    check(block, "realloc");
}

static void look_at_others(char *last)
{
    volatile size_t most = SIZE_MAX; /* volatile: compilers warn of the constant */
    unsigned char *zeros = malloc(10000);
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen("/proc/self/maps", "re");

    memset(zeros, 'x', 10000);
    free(zeros);
    zeros = calloc(100, 100);
    for (size_t i = 0; i < 10000; i++)
        if (zeros[i] != 0)
            _exit(1);
    check(zeros, "calloc");
    check(realloc(NULL, 100), "realloc of nothing");
    check(reallocarray(NULL, 10, 10), "reallocarray");
    grow(malloc(10), 10, 20);
    grow(malloc(100000), 100000, 300000);
    grow(malloc(100000), 100000, 10);
    grow(last, 64, 1000000);
    if (realloc(malloc(10), 0) != NULL || calloc(most, 2) != NULL)
        _exit(1);
    while (getline(&line, &size, file) > 0)
        if (!is_own(line))
            _exit(1);
    free(line);
    fclose(file);
}

int main(int argc, char *argv[])
{
    static char first[64];
    char *last = arena.begin == NULL ? malloc(sizeof(first))
                                     : (char *)arena.begin + ARENA_SIZE - sizeof(first);

    check(malloc(100), "malloc");
    check(strdup("text"), "strdup");
    FILE *file = fopen("/proc/self/maps", "re");
    if (file == NULL || fclose(file) != 0)
        return 1;
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        look_at_others(last);
    puts("done");
    return 0;
}
