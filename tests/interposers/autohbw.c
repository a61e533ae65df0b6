/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program for libautohbw: autohbw CASE. "api" turns the library off and on; "sizes" prints of
 * which kind blocks of some sizes are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autohbw_api.h"
#include "check.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool in_kind(void *block)
{
    void *(*detect)(void *);

    CHECK(block != NULL);
    *(void **)&detect = dlsym(RTLD_DEFAULT, "memkind_detect_kind");
    return detect != NULL && detect(block) != NULL;
}

/*
 * Returns whether a block of that size, from each function, is of the kind. The functions must
 * agree.
 */
static bool goes_there(size_t size)
{
    void *blocks[] = {malloc(size), calloc(1, size), realloc(NULL, size), memalign(64, size),
                      valloc(size)};
    bool there = in_kind(blocks[0]);

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        CHECK(in_kind(blocks[i]) == there && malloc_usable_size(blocks[i]) >= size);
        memset(blocks[i], 1, size);
        free(blocks[i]);
    }
    return there;
}

static void print_sizes(void)
{
    static const size_t sizes[] = {100,     4 * KIB,     4 * KIB + 1, MIB - 1,    MIB,
                                   MIB + 1, 5 * MIB - 1, 5 * MIB,     5 * MIB + 1};

    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        putchar(goes_there(sizes[i]) ? '1' : '0');
    putchar('\n');
}

static void check_api(void)
{
    CHECK(goes_there(2 * MIB));
    void *there = malloc(2 * MIB);
    memset(there, 1, 2 * MIB);
    disableAutoHBW();
    CHECK(!goes_there(2 * MIB));
    disableAutoHBW();
    /* A block that grows stays in its kind. */
    there = realloc(there, 3 * MIB);
    CHECK(in_kind(there) && ((char *)there)[2 * MIB - 1] == 1);
    enableAutoHBW();
    CHECK(goes_there(2 * MIB));
    free(there);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "sizes") == 0)
        print_sizes();
    else if (argc == 2 && strcmp(argv[1], "api") == 0)
        check_api();
    else
        return 2;
    return 0;
}
