/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug messages on standard error, printed only with MEMKIND_DEBUG=1. */
#include "util/log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cancel.h"
#include "util/env.h"
#include "util/signal_hold.h"

/* Size of a line with its newline. Less than PIPE_BUF: a pipe takes the line in one piece. */
#define LOG_LINE_SIZE 1024

#define LOG_CUT_MARK  "..."
#define LOG_LOST_TEXT "(a message that cannot be printed)"

enum log_state { LOG_STATE_UNREAD, LOG_STATE_OFF, LOG_STATE_ON };

/* Relaxed order suffices: all threads that read the environment get the same value. */
static _Atomic(enum log_state) log_state = LOG_STATE_UNREAD;

bool log_enabled(void)
{
    enum log_state state = atomic_load_explicit(&log_state, memory_order_relaxed);

    if (state == LOG_STATE_UNREAD) {
        bool on = false;

        env_flag("MEMKIND_DEBUG", &on);
        state = on ? LOG_STATE_ON : LOG_STATE_OFF;
        atomic_store_explicit(&log_state, state, memory_order_relaxed);
    }
    return state == LOG_STATE_ON;
}

/* Formats into text[0 .. size - 1] and returns the length, which is less than size. */
static size_t log_format(char *text, size_t size, const char *format, va_list arguments)
{
    int written = vsnprintf(text, size, format, arguments);
    size_t length = (size_t)written;

    if (written < 0) {
        length = sizeof(LOG_LOST_TEXT) - 1;
        memcpy(text, LOG_LOST_TEXT, length);
    } else if (length >= size) {
        length = size - 1;
        memcpy(text + length - (sizeof(LOG_CUT_MARK) - 1), LOG_CUT_MARK, sizeof(LOG_CUT_MARK) - 1);
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ')
            text[i] = '?';
    }
    return length;
}

/* Writes once, without SIGPIPE, SIGXFSZ or cancellation, and ignores a failure. */
static void log_write(const char *line, size_t length)
{
    struct signal_hold pipe;
    struct signal_hold file_size;
    ssize_t written;

    if (signal_hold_begin(&pipe, SIGPIPE) != 0)
        return;
    if (signal_hold_begin(&file_size, SIGXFSZ) == 0) {
        written = write(STDERR_FILENO, line, length);
        signal_hold_end(&file_size, written < 0 && errno == EFBIG);
        signal_hold_end(&pipe, written < 0 && errno == EPIPE);
    } else {
        signal_hold_end(&pipe, false);
    }
}

static void log_line(const char *prefix, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void log_line(const char *prefix, const char *format, va_list arguments)
{
    char line[LOG_LINE_SIZE];
    size_t length = strlen(prefix);
    int saved_errno = errno;
    int cancel;

    memcpy(line, prefix, length + 1);
    length += log_format(line + length, sizeof(line) - length, format, arguments);
    line[length++] = '\n';

    cancel = cancel_hold();
    log_write(line, length);
    cancel_restore(cancel);
    errno = saved_errno;
}

void log_error(const char *format, ...)
{
    va_list arguments;

    if (!log_enabled())
        return;
    va_start(arguments, format);
    log_line("memkind: error: ", format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;

    if (!log_enabled())
        return;
    va_start(arguments, format);
    log_line("memkind: info: ", format, arguments);
    va_end(arguments);
}
