/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goes on allocating and freeing when its heap is full, and prints how often the library looked for
 * room everywhere. Usage: full OPERATIONS MOST
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(EXIT_FAILURE);                                                       \
        }                                                                             \
    } while (0)

#define BLOCKS   40000
#define SMALLEST 16
#define RANGE    2000

static void *blocks[BLOCKS];
static unsigned long retries;

/* Of the library's report on its kinds. */
static void find_retries(void *opaque, const char *text)
{
    const char *found = strstr(text, "retries: ");

    (void)opaque;
    if (found != NULL)
        retries += strtoul(found + strlen("retries: "), NULL, 10);
}

static unsigned next_random(void)
{
    static unsigned random = 1;

    random = random * 1103515245 + 12345;
    return random >> 8;
}

static void replace(void)
{
    size_t i = next_random() % BLOCKS;

    free(blocks[i]);
    blocks[i] = malloc(SMALLEST + next_random() % RANGE);
    CHECK(blocks[i] != NULL);
}

static void count_retries(void)
{
    int (*print)(void (*)(void *, const char *), void *, int);

    *(void **)&print = dlsym(RTLD_DEFAULT, "memkind_stats_print");
    CHECK(print != NULL);
    retries = 0;
    print(find_retries, NULL, 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    for (long i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SMALLEST + next_random() % RANGE);
        CHECK(blocks[i] != NULL);
    }
    count_retries();
    unsigned long before = retries;
    for (long i = atol(argv[1]); i > 0; i--)
        replace();
    count_retries();
    printf("looked for room %lu times\n", retries - before);
    CHECK(retries - before <= strtoul(argv[2], NULL, 10));
    return EXIT_SUCCESS;
}
