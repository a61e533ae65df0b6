/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where tests make their files, and what they leave behind: descriptors, mappings, entries, blocks.
 *
 * Uses neither open(2) nor other calls by names that tests replace with --wrap. Not for several
 * threads at once.
 */
#pragma once

#include <stddef.h>

#define LEFTOVERS_TEXT_SIZE ((size_t)128 << 10)
#define TEST_DIR_PATH_SIZE  256

/* What the process holds at one moment, one line for each thing. Large: make it static. */
struct leftovers {
    char descriptors[LEFTOVERS_TEXT_SIZE]; /* "fd -> what it is" */
    char mappings[LEFTOVERS_TEXT_SIZE];    /* of the files that tests make: see leftovers_take() */
    char entries[LEFTOVERS_TEXT_SIZE];     /* of the directory */
    const char *dir;                       /* borrowed; NULL: none */
};

/*
 * Remembers the open descriptors, the mappings of files that have no name or lie below the
 * directory (others may come and go by themselves), and the entries of the directory (NULL: of
 * none).
 */
void leftovers_take(struct leftovers *before, const char *dir);

/* Fails the test, and names each thing, when anything has come or gone since leftovers_take(). */
void leftovers_check(const struct leftovers *before);

/* MEMKIND_TEST_DIR, or /dev/shm where that can be written to, or /tmp. Tests share it. */
const char *test_dir(void);

/* Makes a directory of its own for a test in test_dir(), and writes its path. Returns path. */
const char *test_dir_make(char path[TEST_DIR_PATH_SIZE]);

/* Removes what test_dir_make() made; fails the test when it is not empty. */
void test_dir_remove(const char *path);

/* Bytes of file space that the file holds. */
size_t file_space_held(int fd);

/* The number of mappings (VMAs) of the process. */
size_t count_maps(void);
