/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where tests create files, and checks of what they leave behind: descriptors, mappings, directory
 * entries, blocks.
 *
 * Calls neither open(2) nor other functions under names that tests replace with --wrap. Not
 * thread-safe.
 */
#pragma once

#include <stddef.h>

#define LEFTOVERS_TEXT_SIZE ((size_t)128 << 10)
#define TEST_DIR_PATH_SIZE  256

/* What the process holds at one moment, a line for each item. Large: make it static. */
struct leftovers {
    char descriptors[LEFTOVERS_TEXT_SIZE]; /* "fd -> file" */
    char mappings[LEFTOVERS_TEXT_SIZE]; /* of the files that tests create: see leftovers_take() */
    char entries[LEFTOVERS_TEXT_SIZE];  /* of the directory */
    const char *dir;                    /* borrowed; NULL: none */
};

/*
 * Records the open descriptors, the mappings of files that have no name or lie below the directory,
 * and the entries of the directory (NULL: none). Other mappings may come and go by themselves.
 */
void leftovers_take(struct leftovers *before, const char *dir);

/* Fails the test, and prints each item, if any has come or gone since leftovers_take(). */
void leftovers_check(const struct leftovers *before);

/* Returns MEMKIND_TEST_DIR, or /dev/shm if it is writable, or /tmp. Tests share the directory. */
const char *test_dir(void);

/* Creates a directory for one test in test_dir(), and writes its path. Returns path. */
const char *test_dir_make(char path[TEST_DIR_PATH_SIZE]);

/* Removes the directory of test_dir_make(). Fails the test if the directory is not empty. */
void test_dir_remove(const char *path);

/* Returns the bytes of file space that the file holds. */
size_t file_space_held(int fd);

/* Returns the number of mappings (VMAs) of the process. */
size_t count_maps(void);
