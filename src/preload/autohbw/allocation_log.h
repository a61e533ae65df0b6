/* SPDX-License-Identifier: BSD-2-Clause */
/* libautohbw's messages about each allocation: autohbw(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"

enum { LOG_NOTHING = -1, LOG_INFO = 0, LOG_ALLOCATIONS = 1, LOG_CALLERS = 2 };

/* Sets the level. From LOG_CALLERS on, the first message loads a library. */
void allocation_log_start(int level);

/* Prints general information, once: a line without its end. */
__attribute__((format(printf, 1, 2))) void allocation_log_info(const char *format, ...);

/*
 * Prints that the function has returned a block of the kind or, for NULL, that there was no room.
 */
void allocation_log(const char *function, size_t size, const void *block, memkind_t kind);
