/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemtier's messages. */
#include "preload/memtier/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_SIZE 1024

enum { LEVEL_ERROR, LEVEL_INFO, LEVEL_DEBUG };

static unsigned long level;

/* One call of write(2), so that lines of several processes do not mix. */
static void say(const char *prefix, const char *format, va_list arguments)
{
    char text[LINE_SIZE];

    vsnprintf(text, sizeof(text), format, arguments);
    dprintf(STDERR_FILENO, "%s: %s\n", prefix, text);
}

#define PRINT(prefix)                   \
    do {                                \
        va_list arguments;              \
        va_start(arguments, format);    \
        say(prefix, format, arguments); \
        va_end(arguments);              \
    } while (0)

void log_error(const char *format, ...)
{
    PRINT("MEMKIND_MEM_TIERING_LOG_ERROR");
}

void log_info(const char *format, ...)
{
    if (level >= LEVEL_INFO)
        PRINT("MEMKIND_MEM_TIERING_LOG_INFO");
}

void log_debug(const char *format, ...)
{
    if (level >= LEVEL_DEBUG)
        PRINT("MEMKIND_MEM_TIERING_LOG_DEBUG");
}

bool log_start(void)
{
    const char *text = secure_getenv("MEMKIND_MEM_TIERING_LOG_LEVEL");
    char *end;

    if (text == NULL || *text == '\0')
        return true;
    errno = 0;
    level = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || level > LEVEL_DEBUG) {
        log_error("Wrong value of MEMKIND_MEM_TIERING_LOG_LEVEL=%s", text);
        return false;
    }
    log_debug("Setting log level to: %lu", level);
    return true;
}
