/* SPDX-License-Identifier: BSD-2-Clause */
/* libautohbw's messages about each allocation. */
#include "preload/autohbw/allocation_log.h"

#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "memkind/internal/memkind_private.h"

#define LINE_SIZE     512
#define MOST_CALLERS  32
#define MOST_NODES    1024
#define WORD_BITS     (8 * sizeof(unsigned long))
#define MEMINFO_SIZE  2048
#define KIB_PER_MIB   1024
#define BYTES_PER_MIB ((size_t)1 << 20)

static int level = LOG_ALLOCATIONS;

void allocation_log_start(int wanted)
{
    void *caller;

    level = wanted;
    if (level >= LOG_CALLERS)
        (void)backtrace(&caller, 1);
}

void allocation_log_info(const char *format, ...)
{
    char text[LINE_SIZE];
    va_list arguments;

    if (level < LOG_INFO)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "autohbw: INFO: %s\n", text);
}

/* -- Free memory ------------------------------------------------------------------------------- */

/* Returns the free MiB of a node; 0: unknown. */
static size_t free_on_node(unsigned node)
{
    char text[MEMINFO_SIZE];
    char path[sizeof("/sys/devices/system/node/node/meminfo") + 3 * sizeof(node)];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    const char *number = strstr(text, "MemFree:");
    return number != NULL ? strtoul(number + sizeof("MemFree:") - 1, NULL, 10) / KIB_PER_MIB : 0;
}

/* Returns the free MiB of the nodes that the kind may use, or of all nodes for an unbound kind. */
static size_t free_for(memkind_t kind)
{
    unsigned long nodes[MOST_NODES / WORD_BITS] = {0};
    struct sysinfo info;
    size_t sum = 0;

    if (kind->ops->get_mbind_nodemask != NULL &&
        kind->ops->get_mbind_nodemask(kind, nodes, MOST_NODES) == MEMKIND_SUCCESS) {
        for (unsigned node = 0; node < MOST_NODES; node++)
            if ((nodes[node / WORD_BITS] >> node % WORD_BITS & 1) != 0)
                sum += free_on_node(node);
        return sum;
    }
    return sysinfo(&info) == 0 ? info.freeram * info.mem_unit / BYTES_PER_MIB : 0;
}

/* ---------------------------------------------------------------------------------------------- */

void allocation_log(const char *function, size_t size, const void *block, memkind_t kind)
{
    void *callers[MOST_CALLERS];

    if (level < LOG_ALLOCATIONS)
        return;
    if (block != NULL)
        dprintf(STDERR_FILENO, "autohbw: %s of %zu bytes in %s at %p, %zu MiB free\n", function,
                size, kind->name, block, free_for(kind));
    else
        dprintf(STDERR_FILENO, "autohbw: %s of %zu bytes has no room in %s, %zu MiB free\n",
                function, size, kind->name, free_for(kind));
    if (level >= LOG_CALLERS)
        backtrace_symbols_fd(callers, backtrace(callers, MOST_CALLERS), STDERR_FILENO);
}
