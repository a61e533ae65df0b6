/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem stats: the numbers that a running process publishes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/numbers.h"
#include "tool/tool.h"

#define DECIMAL 10
#define TRIES   1000000 /* to meet the numbers while nobody changes them */

static const char help[] =
    "usage: " TOOL_NAME " stats PID\n"
    "\n"
    "Tells how much of the file and of DRAM a process uses now, in bytes. It must have been "
    "started\n"
    "by \"" TOOL_NAME " run --publish\", or with MEMKIND_PRELOAD_PUBLISH=1.\n";

/* The page in this descriptor of the process, if it is one. */
static const struct numbers_page *map_page(int fds, const char *name)
{
    static const char wanted[] = "/memfd:" NUMBERS_FILE " ";
    char target[sizeof(wanted)];
    struct stat status;

    if (readlinkat(fds, name, target, sizeof(target) - 1) != (ssize_t)sizeof(target) - 1 ||
        memcmp(target, wanted, sizeof(target) - 1) != 0)
        return NULL;
    int fd = openat(fds, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *page = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size >= (off_t)sizeof(struct numbers_page))
        page = mmap(NULL, sizeof(struct numbers_page), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return page != MAP_FAILED ? page : NULL;
}

static const struct numbers_page *find_page(DIR *fds)
{
    const struct dirent *entry;
    const struct numbers_page *page = NULL;

    while (page == NULL && (entry = readdir(fds)) != NULL)
        page = map_page(dirfd(fds), entry->d_name);
    return page;
}

static bool read_numbers(const struct numbers_page *page, struct numbers *numbers)
{
    for (int i = 0; i < TRIES; i++) {
        unsigned before = atomic_load(&page->sequence);

        *numbers = page->numbers;
        atomic_thread_fence(memory_order_seq_cst);
        if (before % 2 == 0 && atomic_load(&page->sequence) == before)
            return true;
    }
    return false;
}

static void print(const struct numbers_page *page, const struct numbers *numbers)
{
    printf("%-16s %16s %16s %16s %16s %16s\n", "heap", "file space", "peak", "limit", "blocks",
           "without room");
    printf("%-16.*s %16" PRIu64 " %16" PRIu64 " ", NUMBERS_DIRECTORY_SIZE, page->directory,
           numbers->file_space, numbers->file_space_peak);
    if (numbers->max_size != 0)
        printf("%16" PRIu64, numbers->max_size);
    else
        printf("%16s", "none");
    printf(" %16" PRIu64 " %16" PRIu64 "\n", numbers->allocated,
           numbers->fallbacks + numbers->refused);
    printf("%-16s %16s %16s %16s %16" PRIu64 " %16s\n", "libc", "-", "-", "-",
           numbers->libc_allocated, "-");
}

static int show(const char *process)
{
    char path[sizeof("/proc//fd") + sizeof(int) * CHAR_BIT];
    struct numbers numbers;
    char *end;
    long pid = strtol(process, &end, DECIMAL);

    if (*end != '\0' || pid <= 0 || pid > INT_MAX)
        return tool_error("\"%s\" is not the number of a process", process);
    snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
    DIR *fds = opendir(path);
    if (fds == NULL)
        return tool_error("process %ld cannot be looked into: %s", pid, strerror(errno));
    const struct numbers_page *page = find_page(fds);
    closedir(fds);
    if (page == NULL || page->process != pid)
        return tool_error(
            "process %ld publishes nothing; start it by \"" TOOL_NAME " run --publish\"", pid);
    if (page->version != NUMBERS_VERSION)
        return tool_error("process %ld runs on another version of the library", pid);
    if (!read_numbers(page, &numbers))
        return tool_error("process %ld has stopped in the midst of changing its numbers", pid);
    print(page, &numbers);
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
        return tool_error("give the number of one process");
    return show(argv[optind]);
}
