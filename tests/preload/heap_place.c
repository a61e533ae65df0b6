/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks where a program's blocks lie, and what a child has of them. Usage: heap_place PLACE WHAT
 *
 * PLACE is a directory or a DAX device. WHAT: "frozen": the child reads what it inherited in the
 * parent's file, and neither process sees what the other writes. "copy": as "frozen", but the child
 * has a copy of the heap in another file. "range": the child shares what it inherited, and its own
 * blocks lie in another range of the device. "dram": as "range", but the device is full, and the
 * child's own blocks lie elsewhere.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SMALL       ((size_t)100)
#define LARGE       ((size_t)3 << 20)
#define BLOCKS      2000
#define LINE_SIZE   512
#define HEXADECIMAL 16

static const char *place;

/* A block's mapping, from /proc/self/maps. */
struct mapping {
    unsigned long inode;
    char path[LINE_SIZE];
};

static void find_mapping(const void *block, struct mapping *mapping)
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
    CHECK(found);
    *mapping = (struct mapping){0};
    CHECK(sscanf(line, "%*s %*s %*s %*s %lu %511[^\n]", &mapping->inode, mapping->path) >= 1);
}

/* Returns whether the block lies on the device, or in a file of the directory. */
static bool in_place(const void *block)
{
    struct mapping mapping;
    size_t length = strlen(place);

    find_mapping(block, &mapping);
    return strncmp(mapping.path, place, length) == 0 &&
           (mapping.path[length] == '/' || mapping.path[length] == '\0');
}

static unsigned long inode_of(const void *block)
{
    struct mapping mapping;

    find_mapping(block, &mapping);
    return mapping.inode;
}

static bool is_filled(const char *block, size_t size, char with)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != with)
            return false;
    return true;
}

static char *make_block(size_t size, char with)
{
    char *block = malloc(size);

    CHECK(block != NULL);
    memset(block, with, size);
    return block;
}

/* Allocates many blocks of some sizes, and checks where each lies. */
static void use_heap(bool there)
{
    static char *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = make_block(SMALL + i, (char)i);
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(is_filled(blocks[i], SMALL + i, (char)i));
        free(blocks[i]);
    }
    char *large = make_block(LARGE, 'l');
    CHECK(in_place(large) == there);
    large = realloc(large, 2 * LARGE);
    CHECK(large != NULL && is_filled(large, LARGE, 'l') && in_place(large) == there);
    free(large);
}

static void be_child(char *inherited, unsigned long parents_inode, const char *what)
{
    CHECK(is_filled(inherited, LARGE, 'p') && in_place(inherited));
    CHECK((inode_of(inherited) != parents_inode) == (strcmp(what, "copy") == 0));
    memset(inherited, 'c', LARGE);
    use_heap(strcmp(what, "dram") != 0);
    char *moved = realloc(make_block(SMALL, 'm'), LARGE);
    CHECK(moved != NULL && is_filled(moved, SMALL, 'm'));
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    int status;

    CHECK(argc == 3);
    place = argv[1];
    char *small = make_block(SMALL, 's');
    char *large = make_block(LARGE, 'p');
    CHECK(in_place(small) && in_place(large));
    use_heap(true);
    unsigned long inode = inode_of(large);
    pid_t child = fork();
    if (child == 0)
        be_child(large, inode, argv[2]);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    bool shared = strcmp(argv[2], "range") == 0 || strcmp(argv[2], "dram") == 0;
    CHECK(is_filled(large, LARGE, shared ? 'c' : 'p'));
    CHECK(is_filled(small, SMALL, 's'));
    use_heap(true);
    free(large);
    free(small);
    return EXIT_SUCCESS;
}
