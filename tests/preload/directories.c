/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose heap lies in several directories: directories CASE. "where" prints the directory
 * of a block; "full", with a limit of 16 MiB for each and no fallback, fills all directories.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define MIB         ((size_t)1 << 20)
#define MOST_BLOCKS 64
#define ONE_FILE    16
#define LINE_SIZE   4096
#define ROUNDS      4

#define HEXADECIMAL 16

/* Finds the folder of the file that is mapped there; "": none. */
static void find_folder(const void *block, char folder[LINE_SIZE])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[LINE_SIZE];

    CHECK(maps != NULL);
    folder[0] = '\0';
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *end;
        unsigned long first = strtoul(line, &end, HEXADECIMAL);
        unsigned long behind = strtoul(end + 1, NULL, HEXADECIMAL);

        if ((unsigned long)block < first || (unsigned long)block >= behind ||
            strchr(line, '/') == NULL)
            continue;
        strcpy(folder, strchr(line, '/'));
        *strrchr(folder, '/') = '\0';
    }
    fclose(maps);
}

static void where(void)
{
    char folder[LINE_SIZE];
    char *block = malloc(MIB);

    CHECK(block != NULL);
    memset(block, 1, MIB);
    find_folder(block, folder);
    puts(folder);
    free(block);
}

static bool is_filled(const char *block, size_t number)
{
    for (size_t at = 0; at < MIB; at += 100)
        if (block[at] != (char)number)
            return false;
    return true;
}

static size_t take_all(char **blocks)
{
    size_t taken = 0;

    errno = 0;
    while (taken < MOST_BLOCKS && (blocks[taken] = malloc(MIB)) != NULL) {
        memset(blocks[taken], (char)taken, MIB);
        taken++;
    }
    CHECK(errno == ENOMEM);
    return taken;
}

static void *free_all(void *blocks)
{
    for (char **block = blocks; *block != NULL; block++)
        free(*block);
    return NULL;
}

static void full(void)
{
    char *blocks[MOST_BLOCKS + 1] = {NULL};
    char home[LINE_SIZE], first[LINE_SIZE], last[LINE_SIZE];
    pthread_t thread;

    for (int round = 0; round < ROUNDS; round++) {
        size_t taken = take_all(blocks);

        CHECK(taken > ONE_FILE + ONE_FILE / 2 && taken <= 2 * ONE_FILE);
        for (size_t i = 0; i < taken; i++)
            CHECK(is_filled(blocks[i], i));
        find_folder(blocks[0], first);
        find_folder(blocks[taken - 1], last);
        CHECK(strcmp(first, last) != 0);
        /* A block that cannot grow is unchanged. */
        CHECK(realloc(blocks[0], 20 * MIB) == NULL && is_filled(blocks[0], 0));
        if (round == 0)
            strcpy(home, first);
        /* In odd rounds this thread has freed all of its blocks, and is back in its directory. */
        CHECK(round % 2 == 0 || strcmp(first, home) == 0);
        if (round % 2 == 0) {
            free_all(blocks);
        } else {
            /* Another thread has another directory, and frees blocks of both. */
            CHECK(pthread_create(&thread, NULL, free_all, blocks) == 0);
            CHECK(pthread_join(thread, NULL) == 0);
        }
        memset(blocks, 0, sizeof(blocks));
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "where") == 0)
        where();
    else if (argc == 2 && strcmp(argv[1], "full") == 0)
        full();
    else
        return 2;
    return EXIT_SUCCESS;
}
