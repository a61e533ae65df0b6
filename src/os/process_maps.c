/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory maps (VMAs) of this process, as the kernel counts them. */
#include "os/process_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "util/cancel.h"

#define PIECE_SIZE 4096

/* The place in the list: each line begins with the first address, in hexadecimal, and a dash. */
struct position {
    bool in_address;
    uintptr_t address;
};

static unsigned digit_of(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_piece(struct position *position, const char *piece, size_t size,
                       void (*visit)(void *arg, uintptr_t start), void *arg)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] == '\n') {
            *position = (struct position){.in_address = true};
        } else if (position->in_address && piece[i] == '-') {
            position->in_address = false;
            visit(arg, position->address);
        } else if (position->in_address) {
            position->address = position->address << 4 | digit_of(piece[i]);
        }
}

int process_maps_each(void (*visit)(void *arg, uintptr_t start), void *arg)
{
    struct position position = {.in_address = true};
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
