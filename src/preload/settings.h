/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is asked of the interposer: what the environment asks of all libraries that are made of it
 * (MEMKIND_PRELOAD_*, see memkind-pmem(1)), and what the library itself decides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "preload/serving.h"

#define SETTINGS_MESSAGE_SIZE 512

/*
 * Whether MEMKIND_PRELOAD_EXCEPT names the program: its executable's file, or the name by which
 * that was executed, without folders. Makes no system call for the latter, and otherwise
 * readlink(2) alone.
 */
bool settings_leave_out(void);

struct settings {
    /* Of the library; by default all sizes, no ratio, and NULL where there is no room. */
    size_t min, max;     /* sizes of blocks that go to the kinds, both included */
    unsigned dram, pmem; /* the ratio; 0 : 0 where there is none to be kept */
    bool fall_back;      /* libc serves what the kinds have no room for */

    /* Of all libraries. */
    const char *stats; /* file for the numbers at exit, NULL: none; "%p" is the process */
    bool publish;      /* the numbers of the running process can be read by others */
    bool deep_bind;    /* RTLD_DEEPBIND is left to dlopen(3) */
    bool strict;       /* what is wrong ends the process */
};

/*
 * Reads the environment (secure_getenv(3)) for what is of all libraries, and sets the rest to what
 * it is by default. False where something in it is wrong; then message says what, in less than
 * SETTINGS_MESSAGE_SIZE bytes, and only strict can be relied on. Strings belong to the environment.
 */
bool settings_read(struct settings *settings, char *message);

/* -- For libraries ----------------------------------------------------------------------------- */

/* Digits, of which there must be at least one; *end is behind them. */
bool settings_parse_number(const char *text, const char **end, size_t *number);

/* A number, and K, M, G or T. */
bool settings_parse_size(const char *text, size_t *size);

/* Says that a variable's value is not what it should be. False. */
bool settings_invalid(char *message, const char *name, const char *wanted);

/* Says that it goes on with libc's malloc, or, where that is asked for, ends the process. */
void settings_complain(const char *library, const struct settings *settings, const char *message,
                       bool serving);
