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

static unsigned digit_of(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_letter(struct process_map *map, char c)
{
    map->protection |= c == 'r' ? PROT_READ : c == 'w' ? PROT_WRITE : c == 'x' ? PROT_EXEC : 0;
    map->is_shared |= c == 's';
}

static void read_path(struct position *position, char c)
{
    if ((c != ' ' || position->path_size != 0) && position->path_size < PROCESS_MAP_PATH - 1)
        position->map.path[position->path_size++] = c;
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
    };

    for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++)
        if (effects[i].letters[0] == first && effects[i].letters[1] == second)
            return effects[i].effect;
    return 0;
}

/* The letters are in pairs, with a space between. */
static void read_effect(struct position *position, char c)
{
    position->map.effects |= PROCESS_MAP_KNOWN | effect_of(position->previous, c);
    position->previous = c;
}

static void read_character(struct position *position, char c)
{
    struct process_map *map = &position->map;

    if (position->field == PATH)
        read_path(position, c);
    else if (position->field == EFFECTS)
        read_effect(position, c);
    else if (position->field == NAME)
        position->field = c == 'V' ? EFFECTS : OTHER;
    else if (position->field == OTHER)
        return;
    else if (c == ' ' || (c == '-' && position->field == START))
        position->field++;
    else if (position->field == START)
        map->start = map->start << 4 | digit_of(c);
    else if (position->field == END)
        map->end = map->end << 4 | digit_of(c);
    else if (position->field == LETTERS)
        read_letter(map, c);
    else if (position->field == DEVICE || position->field == INODE)
        map->file = map->file * FILE_FACTOR + (unsigned char)c;
}

static void read_piece(struct position *position, bool effects, const char *piece, size_t size,
                       void (*visit)(void *arg, const struct process_map *map), void *arg)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] == '\n' && effects && position->field != EFFECTS) {
            position->field = NAME;
        } else if (piece[i] == '\n') {
            visit(arg, &position->map);
            *position = (struct position){.field = START};
        } else {
            read_character(position, piece[i]);
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
