/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ages a file system: writes files of 4 KiB to 4 MiB until it is nine tenths full, and removes them
 * in another order. Usage: use_up DIR KEEP; one file of KEEP stays, 0: none.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/free_space.h"

#define MOST_FILES   2000
#define NAME_SIZE    64
#define SMALLEST     ((off_t)4096)
#define DOUBLINGS    11   /* from 4 KiB to 4 MiB */
#define STRIDE       1009 /* a prime, so that every file is visited */
#define FULL_PERCENT 90

static void name_of(char name[NAME_SIZE], const char *dir, int file)
{
    snprintf(name, NAME_SIZE, "%s/used-%d", dir, file);
}

static int make_file(const char *dir, int file)
{
    char name[NAME_SIZE];
    off_t size = (SMALLEST << (file * 7 % DOUBLINGS)) + file % 5 * SMALLEST;

    name_of(name, dir, file);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int result = fallocate(fd, 0, 0, size);
    close(fd);
    return result;
}

int main(int argc, char **argv)
{
    char name[NAME_SIZE];
    int count = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: %s DIR KEEP\n", argv[0]);
        return EXIT_FAILURE;
    }
    int keep = atoi(argv[2]);
    uint64_t least = free_space_blocks(argv[1]) * (100 - FULL_PERCENT) / 100;
    while (count < MOST_FILES && free_space_blocks(argv[1]) > least) {
        if (make_file(argv[1], count) != 0) {
            perror(argv[1]);
            return EXIT_FAILURE;
        }
        count++;
    }
    for (int i = 0; i < count; i++) {
        int file = (int)((long)i * STRIDE % count);

        name_of(name, argv[1], file);
        if (keep == 0 || file % keep != 0)
            unlink(name);
    }
    sync();
    return EXIT_SUCCESS;
}
