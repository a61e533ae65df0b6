/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frees much memory, and waits until it is given back. Usage: trim DIRECTORY METHOD
 *
 * METHOD: "trim", by malloc_trim(3); "sleep", by sleeping for 15 seconds.
 */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define BLOCKS     20000
#define SIZE       ((size_t)6000)
#define SECONDS    15
#define STAT_BLOCK 512
#define PATH_SIZE  512
#define FEW        20 /* one of so many bytes may stay */

static void *blocks[BLOCKS];

/* Returns the file space of the heap: of the open file in the directory. */
static size_t file_space(const char *directory)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t bytes = 0;

    CHECK(dir != NULL);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char target[PATH_SIZE] = "";
        struct stat status;

        if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) > 0 &&
            strncmp(target, directory, strlen(directory)) == 0 &&
            fstatat(dirfd(dir), entry->d_name, &status, 0) == 0)
            bytes += (size_t)status.st_blocks * STAT_BLOCK;
    }
    closedir(dir);
    return bytes;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i, SIZE);
    }
    size_t held = file_space(argv[1]);
    CHECK(held >= BLOCKS * SIZE);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    if (strcmp(argv[2], "trim") == 0)
        CHECK(malloc_trim(0) == 1);
    else
        sleep(SECONDS);
    CHECK(file_space(argv[1]) <= held / FEW);
    return EXIT_SUCCESS;
}
