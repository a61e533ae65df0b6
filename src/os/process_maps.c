/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory maps (VMAs) of this process, as the kernel counts them. */
#include "os/process_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cancel.h"

/* The stack of a thread may be small. */
#define PIECE_SIZE 1024

/* A number made of the digits of a device and an inode. */
#define FILE_FACTOR 1099511628211u

/* A line: "7f0a1b2c3000-7f0a1b2c4000 rw-p 00000000 08:02 173521      /usr/bin/a-b c". */
/* In smaps, lines such as "Rss:  4 kB" follow, and the last is "VmFlags: rd wr mr mw me lo ". */
enum field { START, END, LETTERS, OFFSET, DEVICE, INODE, PATH, NAME, OTHER, EFFECTS };

struct position {
    enum field field;
    size_t path_size;
    char previous; /* the character before this one */
    struct process_map map;
};

/* Each of these reads a part of a field, and returns the end of the part. */

static const char *read_address(uintptr_t *address, const char *at, const char *end)
{
    for (; at < end && *at != '-' && *at != ' '; at++)
        *address = *address << 4 | (unsigned)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    return at;
}

static const char *read_letters(struct process_map *map, const char *at, const char *end)
{
    for (; at < end && *at != ' '; at++) {
        map->protection |= *at == 'r'   ? PROT_READ
                           : *at == 'w' ? PROT_WRITE
                           : *at == 'x' ? PROT_EXEC
                                        : 0;
        map->is_shared |= *at == 's';
    }
    return at;
}

static const char *read_file(uint64_t *file, const char *at, const char *end)
{
    for (; at < end && *at != ' '; at++)
        *file = *file * FILE_FACTOR + (unsigned char)*at;
    return at;
}

static const char *skip_field(const char *at, const char *end)
{
    const char *space = memchr(at, ' ', (size_t)(end - at));

    return space != NULL ? space : end;
}

/* Only the begin of the path is stored. */
static const char *read_path(struct position *position, const char *at, const char *end)
{
    while (position->path_size == 0 && at < end && *at == ' ')
        at++;
    size_t room = PROCESS_MAP_PATH - 1 - position->path_size;
    size_t size = (size_t)(end - at) < room ? (size_t)(end - at) : room;
    memcpy(position->map.path + position->path_size, at, size);
    position->path_size += size;
    return end;
}

static unsigned effect_of(char first, char second)
{
    static const struct {
        char letters[2];
        enum process_map_effect effect;
    } effects[] = {
        {{'l', 'o'}, PROCESS_MAP_LOCKED},        {{'h', 'g'}, PROCESS_MAP_HUGE_PAGES},
        {{'n', 'h'}, PROCESS_MAP_NO_HUGE_PAGES}, {{'r', 'r'}, PROCESS_MAP_RANDOM},
        {{'s', 'r'}, PROCESS_MAP_SEQUENTIAL},    {{'d', 'd'}, PROCESS_MAP_NO_DUMP},
        {{'d', 'c'}, PROCESS_MAP_NO_FORK},
    };

    for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++)
        if (effects[i].letters[0] == first && effects[i].letters[1] == second)
            return effects[i].effect;
    return 0;
}

/* The letters are in pairs, with a space between. */
static const char *read_effects(struct position *position, const char *at, const char *end)
{
    for (; at < end; at++) {
        position->map.effects |= PROCESS_MAP_KNOWN | effect_of(position->previous, *at);
        position->previous = *at;
    }
    return end;
}

static const char *read_name(struct position *position, const char *at)
{
    position->field = *at == 'V' ? EFFECTS : OTHER;
    return at + 1;
}

static const char *read_field(struct position *position, const char *at, const char *end)
{
    struct process_map *map = &position->map;

    switch (position->field) {
    case START:
        return read_address(&map->start, at, end);
    case END:
        return read_address(&map->end, at, end);
    case LETTERS:
        return read_letters(map, at, end);
    case OFFSET:
        return skip_field(at, end);
    case DEVICE:
    case INODE:
        return read_file(&map->file, at, end);
    case PATH:
        return read_path(position, at, end);
    case NAME:
        return read_name(position, at);
    case EFFECTS:
        return read_effects(position, at, end);
    default:
        return end;
    }
}

/* Reads a part of a line. One character separates each field before the path from the next. */
static void read_part(struct position *position, const char *at, const char *end)
{
    while (at < end) {
        at = read_field(position, at, end);
        if (at < end && position->field < PATH) {
            position->field++;
            at++;
        }
    }
}

static void read_piece(struct position *position, bool effects, const char *piece, size_t size,
                       void (*visit)(void *arg, const struct process_map *map), void *arg)
{
    const char *end = piece + size;

    while (piece < end) {
        const char *line_end = memchr(piece, '\n', (size_t)(end - piece));

        read_part(position, piece, line_end != NULL ? line_end : end);
        if (line_end == NULL)
            return;
        if (effects && position->field != EFFECTS) {
            position->field = NAME;
        } else {
            visit(arg, &position->map);
            *position = (struct position){.field = START};
        }
        piece = line_end + 1;
    }
}

/* Opens the list with effects, or the list without them if the kernel has no other. */
static int open_maps(bool *effects)
{
    if (*effects) {
        int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
        if (fd >= 0 || errno != ENOENT)
            return fd;
        *effects = false;
    }
    return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

int process_maps_read(bool effects, char *buffer, size_t size,
                      void (*visit)(void *arg, const struct process_map *map), void *arg)
{
    struct position position = {.field = START};
    int state = cancel_hold();
    int fd = open_maps(&effects);
    ssize_t got = fd >= 0 ? 1 : -1;

    while (got > 0) {
        got = read(fd, buffer, size);
        if (got > 0)
            read_piece(&position, effects, buffer, (size_t)got, visit, arg);
    }
    int err = got < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    cancel_restore(state);
    return err;
}

int process_maps_each(void (*visit)(void *arg, const struct process_map *map), void *arg)
{
    char piece[PIECE_SIZE];

    return process_maps_read(false, piece, sizeof(piece), visit, arg);
}

bool process_map_is_for_transfers(const struct process_map *map)
{
    static const char *const paths[] = {"anon_inode:[io_uring]", "/[aio]", "/dev/infiniband/"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strncmp(map->path, paths[i], strlen(paths[i])) == 0)
            return true;
    return false;
}

size_t process_maps_find(const struct process_map *list, size_t count, uintptr_t address)
{
    size_t first = 0;
    size_t end = count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;

        if (list[middle].end > address)
            end = middle;
        else
            first = middle + 1;
    }
    return first;
}
