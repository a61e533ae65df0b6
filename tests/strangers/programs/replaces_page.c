/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A target of memkind-pmem stats that replaces its page of numbers by another file and back, as
 * fast as it can.
 *
 * Usage: replaces_page FILE. Writes "ready", and when its standard input ends, how often FILE was
 * opened and closed.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLACE 50 /* a descriptor above those of the two files */
#define TURNS 1000

static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, PLACE + 1);

    close(fd);
    return moved;
}

static size_t count_events(int watch)
{
    _Alignas(struct inotify_event) char events[4096];
    size_t count = 0;
    ssize_t size;

    while ((size = read(watch, events, sizeof(events))) > 0)
        count += (size_t)size / sizeof(struct inotify_event);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    int other = move_up(open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    int page = move_up(memfd_create("memkind-stats", MFD_CLOEXEC));
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    if (other < 0 || page < 0 || inotify_add_watch(watch, argv[1], IN_OPEN | IN_CLOSE) < 0)
        return 2;
    puts("ready");
    fflush(stdout);
    while (poll(&input, 1, 0) == 0)
        for (int i = 0; i < TURNS; i++) {
            dup2(page, PLACE);
            dup2(other, PLACE);
        }
    printf("%zu\n", count_events(watch));
    return 0;
}
