/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that processes can still get, by /proc/meminfo and the limits of control groups.
 *
 * A process sees the groups of its own container below /sys/fs/cgroup, while /proc/self/cgroup may
 * have the path that the groups have outside. For this reason, folders that do not exist are
 * skipped, and the topmost folder is always read.
 */
#include "os/memory_room.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "os/text_file.h"

/* Small, for the stacks of threads. Longer paths of groups are skipped. */
#define PATH_SIZE   512
#define TEXT_SIZE   2048
#define NUMBER_SIZE 32

#define KIB ((size_t)1 << 10)

/* The files of a version of control groups. */
struct group_files {
    const char *folder; /* below the root */
    const char *limit;
    const char *used;
    const char *inactive; /* the lines of memory.stat for the contents of files */
    const char *active;
};

static const struct group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                             "memory.usage_in_bytes", "total_inactive_file",
                                             "total_active_file"};
static const struct group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                             "inactive_file", "active_file"};

static size_t add(size_t a, size_t b)
{
    return a <= SIZE_MAX - b ? a + b : SIZE_MAX;
}

size_t memory_room_total(void)
{
    struct sysinfo info;
    size_t bytes;

    if (sysinfo(&info) != 0 ||
        __builtin_mul_overflow(info.totalram + info.totalswap, (size_t)info.mem_unit, &bytes))
        return SIZE_MAX;
    return bytes;
}

/* Stores the number on the line that begins with the key. False: there is no such line. */
static bool find_number(const char *text, const char *key, size_t *number)
{
    size_t length = strlen(key);
    const char *line = text;

    while (line != NULL) {
        if (strncmp(line, key, length) == 0 && (line[length] == ':' || line[length] == ' ')) {
            *number = strtoull(line + length + 1, NULL, 10);
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

/* Stores the room of the machine and its free swap. */
static void read_machine(const char *root, size_t *room, size_t *swap)
{
    char path[PATH_SIZE];
    char text[TEXT_SIZE] = "";

    *room = memory_room_total();
    *swap = 0;
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    (void)text_file_read(path, text, sizeof(text));
    size_t available;
    if (!find_number(text, "MemAvailable", &available) || !find_number(text, "SwapFree", swap))
        return;
    *room = add(available, *swap) * KIB;
    *swap *= KIB;
}

/* -- Control groups ---------------------------------------------------------------------------- */

struct search {
    const char *root;
    size_t size; /* requested */
    size_t swap; /* free swap of the machine */
};

static void read_group_file(const struct search *search, const struct group_files *files,
                            const char *group, const char *name, char *text, size_t size)
{
    char path[PATH_SIZE];
    int length =
        snprintf(path, sizeof(path), "%s%s%s/%s", search->root, files->folder, group, name);

    text[0] = '\0';
    if (length < PATH_SIZE)
        (void)text_file_read(path, text, size);
}

/* Reads a number; `otherwise` for a missing file, and for "max". */
static size_t read_group_number(const struct search *search, const struct group_files *files,
                                const char *group, const char *name, size_t otherwise)
{
    char text[NUMBER_SIZE];
    char *end;

    read_group_file(search, files, group, name, text, sizeof(text));
    size_t number = strtoull(text, &end, 10);
    return end != text ? number : otherwise;
}

/* Returns the memory of the group that holds the contents of files. */
static size_t droppable(const struct search *search, const struct group_files *files,
                        const char *group)
{
    char text[TEXT_SIZE] = "";
    size_t inactive = 0;
    size_t active = 0;

    read_group_file(search, files, group, "memory.stat", text, sizeof(text));
    (void)find_number(text, files->inactive, &inactive);
    (void)find_number(text, files->active, &active);
    return add(inactive, active);
}

static bool group_has_room(const struct search *search, const struct group_files *files,
                           const char *group)
{
    size_t limit = read_group_number(search, files, group, files->limit, SIZE_MAX);

    if (limit >= memory_room_total())
        return true;
    size_t used = read_group_number(search, files, group, files->used, 0);
    size_t room = add(limit > used ? limit - used : 0, search->swap);
    return room >= search->size || add(room, droppable(search, files, group)) >= search->size;
}

/* Checks the group and all groups that it is in. Cuts the path. */
static bool groups_have_room(const struct search *search, const struct group_files *files,
                             char *group)
{
    char *last = group + strlen(group);

    while (last != NULL) {
        *last = '\0';
        if (!group_has_room(search, files, group))
            return false;
        last = strrchr(group, '/');
    }
    return true;
}

/* A line is "0::PATH" for version 2, and "NUMBER:CONTROLLER,CONTROLLER:PATH" for version 1. */
static bool line_has_room(const struct search *search, char *line)
{
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (path == NULL)
        return true;
    *path++ = '\0';
    controllers++;
    if (strcmp(path, "/") == 0)
        *path = '\0';
    if (*controllers == '\0')
        return groups_have_room(search, &version_2, path);
    return strstr(controllers, "memory") == NULL || groups_have_room(search, &version_1, path);
}

static bool all_groups_have_room(const struct search *search)
{
    char path[PATH_SIZE];
    char text[TEXT_SIZE] = "";
    char *rest = NULL;

    snprintf(path, sizeof(path), "%s/proc/self/cgroup", search->root);
    if (text_file_read(path, text, sizeof(text)) == 0)
        return group_has_room(search, &version_1, "") && group_has_room(search, &version_2, "");
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (!line_has_room(search, line))
            return false;
    return true;
}

bool memory_room_has(const char *root, size_t size)
{
    struct search search = {.root = root, .size = size};
    int saved_errno = errno;
    size_t room;

    read_machine(root, &room, &search.swap);
    bool has = size <= room && all_groups_have_room(&search);
    errno = saved_errno;
    return has;
}
