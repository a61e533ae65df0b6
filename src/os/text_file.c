/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files of procfs and sysfs. */
#include "os/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/cancel.h"

static size_t read_open_file(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t part;

    do {
        part = read(fd, text + length, size - 1 - length);
        length += part > 0 ? (size_t)part : 0;
    } while (part > 0 || (part < 0 && errno == EINTR));
    return length;
}

size_t text_file_read(const char *path, char *text, size_t size)
{
    int state = cancel_hold();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;

    if (fd >= 0) {
        length = read_open_file(fd, text, size);
        close(fd);
    }
    cancel_restore(state);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return length;
}
