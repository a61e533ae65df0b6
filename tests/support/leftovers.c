/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where tests create files, and checks of what they leave behind: descriptors, mappings, directory
 * entries, blocks.
 */
#include "support/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LEFTOVERS_LINE_SIZE  (2 * PATH_MAX)
#define DECIMAL              10
#define LEFTOVERS_STAT_BLOCK 512 /* the unit of st_blocks */

static void leftovers_add(char *text, const char *line)
{
    size_t used = strlen(text);
    size_t length = strlen(line);

    if (used + length + sizeof("\n") > LEFTOVERS_TEXT_SIZE)
        fail_msg("more descriptors, mappings or entries than a test can keep in mind");
    snprintf(text + used, LEFTOVERS_TEXT_SIZE - used, "%s\n", line);
}

static void leftovers_take_descriptors(char *text)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char target[PATH_MAX];
        char line[LEFTOVERS_LINE_SIZE];
        ssize_t length;

        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, DECIMAL) == dirfd(dir))
            continue;
        length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
        snprintf(line, sizeof(line), "%s -> %.*s", entry->d_name, (int)(length < 0 ? 0 : length),
                 target);
        leftovers_add(text, line);
    }
    closedir(dir);
}

static bool leftovers_is_ours(const char *mapping, const char *dir)
{
    /* The page of heap/child_needs.h stays. */
    if (strstr(mapping, "/dev/zero (deleted)") != NULL)
        return false;
    return strstr(mapping, " (deleted)") != NULL || strstr(mapping, "/memfd:") != NULL ||
           (dir != NULL && strstr(mapping, dir) != NULL);
}

/* Adjacent maps of huge pages are merged into one line, because the kernel splits them at will. */
struct leftovers_huge {
    unsigned long first;
    unsigned long end;
};

static void leftovers_end_huge(char *text, struct leftovers_huge *huge)
{
    char line[LEFTOVERS_LINE_SIZE];

    if (huge->end != 0) {
        snprintf(line, sizeof(line), "%lx-%lx huge pages", huge->first, huge->end);
        leftovers_add(text, line);
    }
    huge->end = 0;
}

/* Returns whether the line is a map of huge pages, and records the map if so. */
static bool leftovers_is_huge(char *text, struct leftovers_huge *huge, const char *line)
{
    unsigned long first, end;

    if (strstr(line, "/anon_hugepage") == NULL || sscanf(line, "%lx-%lx", &first, &end) != 2) {
        leftovers_end_huge(text, huge);
        return false;
    }
    if (huge->end != first) {
        leftovers_end_huge(text, huge);
        huge->first = first;
    }
    huge->end = end;
    return true;
}

static void leftovers_take_mappings(char *text, const char *dir)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    struct leftovers_huge huge = {0};
    char line[LEFTOVERS_LINE_SIZE];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (!leftovers_is_huge(text, &huge, line) && leftovers_is_ours(line, dir))
            leftovers_add(text, line);
    }
    leftovers_end_huge(text, &huge);
    fclose(maps);
}

static void leftovers_take_entries(char *text, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        leftovers_add(text, entry->d_name);
    closedir(dir);
}

void leftovers_take(struct leftovers *before, const char *dir)
{
    before->descriptors[0] = '\0';
    before->mappings[0] = '\0';
    before->entries[0] = '\0';
    before->dir = dir;
    leftovers_take_descriptors(before->descriptors);
    leftovers_take_mappings(before->mappings, dir);
    if (dir != NULL)
        leftovers_take_entries(before->entries, dir);
}

static bool leftovers_contains(const char *text, const char *line, size_t length)
{
    while (*text != '\0') {
        size_t found = strcspn(text, "\n");

        if (found == length && memcmp(text, line, length) == 0)
            return true;
        text += found + 1;
    }
    return false;
}

/* Prints each line of `text` that the other text does not have, and returns their number. */
static size_t leftovers_print_missing(const char *what, const char *text, const char *other)
{
    size_t missing = 0;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        if (!leftovers_contains(other, text, length)) {
            print_error("%s: %.*s\n", what, (int)length, text);
            missing++;
        }
        text += length + 1;
    }
    return missing;
}

void leftovers_check(const struct leftovers *before)
{
    static struct leftovers now;
    size_t changes = 0;

    leftovers_take(&now, before->dir);
    changes += leftovers_print_missing("open still", now.descriptors, before->descriptors);
    changes += leftovers_print_missing("mapped still", now.mappings, before->mappings);
    changes += leftovers_print_missing("file left behind", now.entries, before->entries);
    changes += leftovers_print_missing("closed by mistake", before->descriptors, now.descriptors);
    changes += leftovers_print_missing("unmapped by mistake", before->mappings, now.mappings);
    changes += leftovers_print_missing("removed by mistake", before->entries, now.entries);
    if (changes != 0)
        fail_msg("%zu things have come or gone", changes);
}

const char *test_dir(void)
{
    const char *wanted = getenv("MEMKIND_TEST_DIR");

    if (wanted != NULL)
        return wanted;
    return access("/dev/shm/.", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

const char *test_dir_make(char path[TEST_DIR_PATH_SIZE])
{
    int length = snprintf(path, TEST_DIR_PATH_SIZE, "%s/memkind-test-XXXXXX", test_dir());

    assert_in_range(length, 1, TEST_DIR_PATH_SIZE - 1);
    assert_non_null(mkdtemp(path));
    return path;
}

void test_dir_remove(const char *path)
{
    if (rmdir(path) != 0)
        fail_msg("%s cannot be removed", path);
}

size_t file_space_held(int fd)
{
    struct stat status;

    assert_int_equal(fstatat(fd, "", &status, AT_EMPTY_PATH), 0);
    return (size_t)status.st_blocks * LEFTOVERS_STAT_BLOCK;
}

size_t count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    size_t count = 0;
    int character;

    assert_non_null(maps);
    while ((character = getc(maps)) != EOF)
        count += character == '\n';
    fclose(maps);
    return count;
}
