/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem stats: the numbers that a running process publishes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/statx.h"
#include "preload/numbers.h"
#include "tool/tool.h"

#define DECIMAL  10
#define TRIES    20       /* to read the numbers while they do not change */
#define PAUSE_NS 1000000L /* between two tries */

/*
 * Characters that control terminals: this one of ASCII, and in UTF-8 U+0080 to U+009F, as two
 * bytes.
 */
#define DELETE        0x7f
#define C1_FIRST_BYTE 0xc2
#define C1_BEGIN      0x80
#define C1_END        0xa0

static const char help[] =
    "usage: " TOOL_NAME " stats PID\n"
    "\n"
    "Prints, in bytes, how much of the file and of DRAM a process uses now. The process must "
    "have been\n"
    "started by \"" TOOL_NAME " run --publish\", or with MEMKIND_PRELOAD_PUBLISH=1.\n"
    "\n"
    "  file space    space that the heap's file takes\n"
    "  peak          the most space that it has taken\n"
    "  limit         the limit that "
    "\"" TOOL_NAME " run --size\" set\n"
    "  blocks        bytes in "
    "blocks of the program: in "
    "the file, and from libc\n"
    "  without room  requests "
    "for which the file had no "
    "room\n"
    "\n"
    "Example:\n"
    "  " TOOL_NAME " stats $(pidof "
    "redis-server)\n";

/* -- Finding ----------------------------------------------------------------------------------- */

/*
 * The process may substitute any other file for its page at any moment, such as a pipe without a
 * writer, a device that reacts when it is opened, or a file of a file system of its own that never
 * answers. Therefore its descriptor is held by O_PATH, which opens nothing, and is examined without
 * a call of its file system: memory files are on a kernel device that has nothing else. Only then
 * is the file opened, through the held descriptor.
 */

/* Finds the device of memory files. False: the kernel has none, or does not report it. */
static bool find_device(struct statx *device)
{
    int own = memfd_create("memkind-pmem", MFD_CLOEXEC);
    bool found = own >= 0 && statx(own, "", AT_EMPTY_PATH, STATX_TYPE, device) == 0;

    if (own >= 0)
        close(own);
    return found;
}

static bool is_page(int held, const char *link, const struct statx *device)
{
    static const char wanted[] = "/memfd:" NUMBERS_FILE " ";
    char target[sizeof(wanted)];
    struct statx status;

    return readlink(link, target, sizeof(target) - 1) == (ssize_t)sizeof(target) - 1 &&
           memcmp(target, wanted, sizeof(target) - 1) == 0 &&
           statx(held, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0 &&
           S_ISREG(status.stx_mode) && status.stx_dev_major == device->stx_dev_major &&
           status.stx_dev_minor == device->stx_dev_minor;
}

/* Opens the page's file if the process's descriptor of this name is such a file. -1: it is not. */
static int open_page(int fds, const char *name, const struct statx *device)
{
    char link[sizeof("/proc/self/fd/") + sizeof(int) * CHAR_BIT];
    int held = openat(fds, name, O_PATH | O_CLOEXEC);
    int fd = -1;

    if (held < 0)
        return -1;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", held);
    if (is_page(held, link, device))
        fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    close(held);
    return fd;
}

static int find_page(DIR *fds)
{
    const struct dirent *entry;
    struct statx device;
    int fd = -1;

    if (!find_device(&device))
        return -1;
    while (fd < 0 && (entry = readdir(fds)) != NULL)
        fd = open_page(dirfd(fds), entry->d_name, &device);
    return fd;
}

/*
 * Returns the process's own id, which differs from ours in a PID namespace of a container: the last
 * number of the line.
 */
static long own_number(long pid)
{
    char path[sizeof("/proc//status") + sizeof(int) * CHAR_BIT];
    char *line = NULL;
    size_t room = 0;
    long number = pid;

    snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return pid;
    while (getline(&line, &room, file) > 0)
        if (strncmp(line, "NSpid:", strlen("NSpid:")) == 0)
            number = strtol(strrchr(line, '\t') + 1, NULL, DECIMAL);
    free(line);
    fclose(file);
    return number;
}

/* -- Reading ----------------------------------------------------------------------------------- */

static bool read_part(int fd, void *part, size_t size, size_t offset)
{
    return pread(fd, part, size, (off_t)offset) == (ssize_t)size;
}

/* Copies the page. *settled: the page did not change meanwhile. False: there is no page. */
static bool copy_page(int fd, struct numbers_page *page, bool *settled)
{
    const size_t offset = offsetof(struct numbers_page, sequence);
    unsigned before, after;

    if (!read_part(fd, &before, sizeof(before), offset))
        return false;
    atomic_thread_fence(memory_order_acquire);
    if (!read_part(fd, page, sizeof(*page), 0))
        return false;
    atomic_thread_fence(memory_order_acquire);
    if (!read_part(fd, &after, sizeof(after), offset))
        return false;
    *settled = before % 2 == 0 && before == after;
    return true;
}

static bool read_page(int fd, struct numbers_page *page, bool *settled)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    bool there = copy_page(fd, page, settled);

    for (int i = 1; there && !*settled && i < TRIES; i++) {
        nanosleep(&pause, NULL);
        there = copy_page(fd, page, settled);
    }
    return there;
}

/*
 * Sanitises a text of the process for a terminal: terminates it, and removes control characters,
 * including those of UTF-8.
 */
static void clean_text(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (unsigned char *byte = (unsigned char *)text; *byte != '\0'; byte++)
        if (*byte < ' ' || *byte == DELETE)
            *byte = '?';
        else if (*byte == C1_FIRST_BYTE && byte[1] >= C1_BEGIN && byte[1] < C1_END)
            memset(byte, '?', 2);
}

/* Only a heap in files, whose paths begin like this, has file space. */
static void print_file_space(const struct numbers_page *page)
{
    const struct numbers *numbers = &page->numbers;

    if (page->directory[0] != '/') {
        printf(" %16s %16s %16s", "-", "-", "-");
        return;
    }
    printf(" %16" PRIu64 " %16" PRIu64, numbers->file_space, numbers->file_space_peak);
    if (numbers->max_size != 0)
        printf(" %16" PRIu64, numbers->max_size);
    else
        printf(" %16s", "none");
}

static void print(const struct numbers_page *page)
{
    const struct numbers *numbers = &page->numbers;

    printf("%-16s %16s %16s %16s %16s %16s\n", "heap", "file space", "peak", "limit", "blocks",
           "without room");
    printf("%-16s", page->directory);
    print_file_space(page);
    printf(" %16" PRIu64 " %16" PRIu64 "\n", numbers->allocated,
           numbers->fallbacks + numbers->refused);
    printf("%-16s %16s %16s %16s %16" PRIu64 " %16s\n", "libc", "-", "-", "-",
           numbers->libc_allocated, "-");
}

static int show(const char *process)
{
    char path[sizeof("/proc//fd") + sizeof(int) * CHAR_BIT];
    struct numbers_page page;
    bool settled;
    char *end;
    long pid = strtol(process, &end, DECIMAL);

    if (*end != '\0' || pid <= 0 || pid > INT_MAX)
        return tool_error("\"%s\" is not a process id", process);
    snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
    DIR *fds = opendir(path);
    if (fds == NULL)
        return tool_error("process %ld cannot be read: %s", pid, strerror(errno));
    int fd = find_page(fds);
    closedir(fds);
    bool there = fd >= 0 && read_page(fd, &page, &settled);
    if (fd >= 0)
        close(fd);
    if (!there || page.process != own_number(pid))
        return tool_error("process %ld publishes no statistics; start it by \"" TOOL_NAME
                          " run --publish\"",
                          pid);
    if (page.version != NUMBERS_VERSION)
        return tool_error("process %ld uses another version of the library", pid);
    if (!settled)
        return tool_error("process %ld stopped while it updated its statistics", pid);
    clean_text(page.directory, sizeof(page.directory));
    print(&page);
    return 0;
}

int stats_main(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};

    switch (getopt_long(argc, argv, "", options, NULL)) {
    case -1:
        break;
    case 'h':
        fputs(help, stdout);
        return 0;
    default:
        return tool_error("try \"" TOOL_NAME " stats --help\"");
    }
    if (optind + 1 != argc)
        return tool_error("one process id is needed; try \"" TOOL_NAME " stats --help\"");
    return show(argv[optind]);
}
