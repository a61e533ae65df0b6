/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers about the kind and libc's heap when the process ends. */
#include "preload/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memkind/internal/memkind_pmem.h"
#include "preload/preload.h"
#include "preload/ratio.h"

#define FILE_MODE 0666 /* less the process's umask */

static char path[PATH_MAX]; /* absolute: the process may go elsewhere */
static pid_t process;       /* that writes it; 0: none */

/* Appends text to path, as much as fits; whether it did. */
static bool append(size_t *used, const char *text, size_t length)
{
    if (length >= sizeof(path) - *used)
        return false;
    memcpy(path + *used, text, length);
    *used += length;
    path[*used] = '\0';
    return true;
}

/* Makes path from the file's name: absolute, and with the process in place of "%p". */
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
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, FILE_MODE);
}

bool report_at_exit(const struct settings *settings, char *message)
{
    errno = ENAMETOOLONG;
    int fd = make_path(settings->stats) ? open_file() : -1;

    if (fd < 0) {
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "MEMKIND_PRELOAD_STATS=%.64s cannot be written (%s)", settings->stats,
                 strerrordesc_np(errno));
        return false;
    }
    close(fd);
    process = getpid();
    return true;
}

static size_t stat_of(memkind_stat_type type)
{
    size_t value = 0;

    (void)memkind_get_stat(preload.kind, type, &value);
    return value;
}

/* A string as JSON has it. */
static void print_string(int fd, const char *text)
{
    dprintf(fd, "\"");
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            dprintf(fd, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            dprintf(fd, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            dprintf(fd, "%c", *text);
    dprintf(fd, "\"");
}

static void print_kind(int fd)
{
    const struct memkind_pmem *pmem = preload.kind->priv;
    struct stat file = {0};

    /* The file is as large as the most file space that was held at one time. */
    (void)fstat(pmem->fd, &file);
    (void)memkind_update_cached_stats();
    dprintf(fd, "    {\n      \"kind\": \"pmem\",\n      \"directory\": ");
    print_string(fd, pmem->dir);
    dprintf(
        fd,
        ",\n      \"max_size\": %zu,\n      \"file_space\": %zu,\n"
        "      \"file_space_peak\": %jd,\n      \"resident\": %zu,\n      \"active\": %zu,\n"
        "      \"allocated\": %zu,\n      \"fallbacks\": %zu,\n      \"refused\": %zu\n    },\n",
        pmem->max_size, __atomic_load_n(&pmem->current_size, __ATOMIC_RELAXED),
        (intmax_t)file.st_size, stat_of(MEMKIND_STAT_TYPE_RESIDENT),
        stat_of(MEMKIND_STAT_TYPE_ACTIVE), stat_of(MEMKIND_STAT_TYPE_ALLOCATED),
        atomic_load(&preload.fallen), atomic_load(&preload.refused));
}

static void print_libc(int fd)
{
    struct mallinfo2 info = mallinfo2();

    dprintf(fd,
            "    {\n      \"kind\": \"libc\",\n      \"resident\": %zu,\n"
            "      \"allocated\": %zu\n    }\n",
            info.arena + info.hblkhd, info.uordblks + info.hblkhd);
}

__attribute__((destructor)) static void report(void)
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
    print_kind(fd);
    print_libc(fd);
    dprintf(fd, "  ]\n}\n");
    close(fd);
}
