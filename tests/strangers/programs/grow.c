/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grows one array in small steps by realloc(3), and counts how often the array moves between heaps.
 * Usage: grow DIRECTORY MOST
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define STEP        ((size_t)64 << 10)
#define LARGEST     ((size_t)64 << 20)
#define LINE_SIZE   512
#define HEXADECIMAL 16

/* Returns whether the block lies in a file of the directory. */
static bool is_in_file(const void *block, const char *directory)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[LINE_SIZE];
    bool found = false;

    CHECK(file != NULL);
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        char *end;
        uintptr_t first = strtoul(line, &end, HEXADECIMAL);
        uintptr_t last = strtoul(end + 1, &end, HEXADECIMAL);

        found = (uintptr_t)block >= first && (uintptr_t)block < last;
    }
    fclose(file);
    return found && strstr(line, directory) != NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    char *array = malloc(STEP);
    CHECK(array != NULL);
    bool in_file = is_in_file(array, argv[1]);
    long moves = 0;

    for (size_t size = STEP; size <= LARGEST; size += STEP) {
        array = realloc(array, size);
        CHECK(array != NULL);
        CHECK(size == STEP || (array[0] == 'a' && array[size - STEP - 1] == 'a'));
        memset(array + size - STEP, 'a', STEP);
        moves += is_in_file(array, argv[1]) != in_file;
        in_file = is_in_file(array, argv[1]);
    }
    printf("moved between the heaps %ld times\n", moves);
    CHECK(moves <= atol(argv[2]));
    free(array);
    return EXIT_SUCCESS;
}
