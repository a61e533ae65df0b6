/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of the kinds and libc's heap at the end of the process. */
#include "preload/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "preload/numbers.h"
#include "preload/preload.h"
#include "preload/ratio.h"
#include "preload/withdraw.h"
#include "util/errno_text.h"
#include "util/json.h"

#define FILE_MODE  0666 /* before the process's umask */
#define PIECE_SIZE 128

static char path[PATH_MAX]; /* absolute: the process may change its directory */
static pid_t process;       /* the process that writes it; 0: none */

/* Appends text to path. Returns whether it fits. */
static bool append(size_t *used, const char *text, size_t length)
{
    if (length >= sizeof(path) - *used)
        return false;
    memcpy(path + *used, text, length);
    *used += length;
    path[*used] = '\0';
    return true;
}

/* Makes path from the file's name: absolute, and with the process id in place of "%p". */
static bool make_path(const char *name)
{
    char number[sizeof(pid_t) * 3 + 1];
    int digits = snprintf(number, sizeof(number), "%d", (int)getpid());
    size_t used = 0;
    const char *mark;

    if (name[0] != '/') {
        if (getcwd(path, sizeof(path)) == NULL)
            return false;
        used = strlen(path);
        if (!append(&used, "/", 1))
            return false;
    }
    for (; (mark = strstr(name, "%p")) != NULL; name = mark + 2)
        if (!append(&used, name, (size_t)(mark - name)) || !append(&used, number, (size_t)digits))
            return false;
    return append(&used, name, strlen(name));
}

static int open_file(void)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, FILE_MODE);

    if (fd < 0)
        return fd;
    /* Not on the number of a closed standard stream: the program may still print. */
    fd = descriptor_raise(fd);
    if (fd < 0)
        errno = -fd;
    return fd;
}

bool report_at_exit(const struct settings *settings, char *message)
{
    errno = ENAMETOOLONG;
    int fd = make_path(settings->stats) ? open_file() : -1;

    if (fd < 0) {
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "MEMKIND_PRELOAD_STATS=%.64s cannot be written (%s)", settings->stats,
                 errno_text(errno));
        return false;
    }
    close(fd);
    process = getpid();
    return true;
}

static void print_number(int fd, const char *name, uint64_t number)
{
    dprintf(fd, ",\n      \"%s\": %" PRIu64, name, number);
}

static void print_string(int fd, const char *text)
{
    char piece[PIECE_SIZE];

    dprintf(fd, "\"");
    while (*text != '\0') {
        text = json_escape(piece, sizeof(piece), text);
        dprintf(fd, "%s", piece);
    }
    dprintf(fd, "\"");
}

static void print_file(int fd, const struct memkind_pmem *pmem, const struct numbers *numbers)
{
    dprintf(fd, ",\n      \"directory\": ");
    print_string(fd, pmem->dir);
    print_number(fd, "max_size", numbers->max_size);
    print_number(fd, "file_space", numbers->file_space);
    print_number(fd, "file_space_peak", numbers->file_space_peak);
}

/* The first kind also has the requests for which no kind had room. */
static void print_kind(int fd, memkind_t kind, const struct numbers *all)
{
    const struct memkind_pmem *pmem = preload_file_of(kind);
    struct numbers numbers;

    numbers_take_kind(&numbers, kind);
    dprintf(fd, "    {\n      \"kind\": ");
    print_string(fd, pmem != NULL ? "pmem" : kind->name);
    if (pmem != NULL)
        print_file(fd, pmem, &numbers);
    print_number(fd, "resident", numbers.resident);
    print_number(fd, "active", numbers.active);
    print_number(fd, "allocated", numbers.allocated);
    if (kind == preload.kind) {
        print_number(fd, "fallbacks", all->fallbacks);
        print_number(fd, "refused", all->refused);
    }
    dprintf(fd, "\n    },\n");
}

static void print_kinds(int fd)
{
    struct numbers numbers;

    numbers_take(&numbers);
    for (unsigned i = 0; i < preload.serving.count; i++)
        print_kind(fd, preload.serving.kinds[i], &numbers);
    dprintf(fd, "    {\n      \"kind\": \"libc\"");
    print_number(fd, "resident", numbers.libc_resident);
    print_number(fd, "allocated", numbers.libc_allocated);
    dprintf(fd, "\n    }\n");
}

void report_now(void)
{
    if (preload.kind == NULL || process == 0 || process != getpid())
        return;
    int fd = open_file();
    if (fd < 0)
        return;
    dprintf(fd, "{\n  \"process\": %d,\n  \"program\": ", (int)process);
    print_string(fd, program_invocation_short_name);
    if (preload.counted)
        dprintf(fd, ",\n  \"threshold\": %zu", ratio_threshold());
    dprintf(fd, ",\n  \"kinds\": [\n");
    print_kinds(fd);
    dprintf(fd, "  ]\n}\n");
    close(fd);
}

/* A filter of system calls may not permit to write a file. */
__attribute__((destructor)) static void report_in_the_end(void)
{
    if (!preload_is_withdrawn())
        report_now();
}
