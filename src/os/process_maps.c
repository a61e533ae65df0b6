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
enum field { START, END, LETTERS, OFFSET, DEVICE, INODE, PATH };

struct position {
    enum field field;
    size_t path_size;
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

static void read_character(struct position *position, char c)
{
    struct process_map *map = &position->map;

    if (position->field == PATH)
        read_path(position, c);
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

static void read_piece(struct position *position, const char *piece, size_t size,
                       void (*visit)(void *arg, const struct process_map *map), void *arg)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] == '\n') {
            visit(arg, &position->map);
            *position = (struct position){.field = START};
        } else {
            read_character(position, piece[i]);
        }
}

int process_maps_each(void (*visit)(void *arg, const struct process_map *map), void *arg)
{
    struct position position = {.field = START};
    char piece[PIECE_SIZE];
    int state = cancel_hold();
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? 1 : -1;

    while (size > 0) {
        size = read(fd, piece, sizeof(piece));
        if (size > 0)
            read_piece(&position, piece, (size_t)size, visit, arg);
    }
    int err = size < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    cancel_restore(state);
    return err;
}

bool process_map_is_for_transfers(const struct process_map *map)
{
    static const char *const paths[] = {"anon_inode:[io_uring]", "/[aio]", "/dev/infiniband/"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strncmp(map->path, paths[i], strlen(paths[i])) == 0)
            return true;
    return false;
}
