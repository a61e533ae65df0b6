/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interposer's settings: the environment variables of all libraries that are made of it
 * (MEMKIND_PRELOAD_*, see memkind-pmem(1)), and each library's own decisions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "preload/serving.h"

#define SETTINGS_MESSAGE_SIZE 512

/*
 * Returns whether MEMKIND_PRELOAD_EXCEPT names the program: its executable's file, or the name by
 * which it was executed, without folders. Makes no system call for the latter, and otherwise only
 * readlink(2).
 */
bool settings_leave_out(void);

struct settings {
    /* The library's. Defaults: all sizes, no ratio, and NULL if there is no room. */
    size_t min, max;     /* sizes of blocks that go to the kinds, both included */
    unsigned dram, pmem; /* the ratio; 0 : 0: none */
    bool fall_back;      /* libc serves requests for which the kinds have no room */
    size_t after;        /* libc serves the first requests, of so many bytes, if kinds can wait */

    /* Of all libraries. */
    const char *stats; /* file for the numbers at exit, NULL: none; "%p" is the process */
    bool publish;      /* other processes can read the numbers of the running process */
    bool deep_bind;    /* RTLD_DEEPBIND has its usual effect in dlopen(3) */
    bool strict;       /* an error ends the process */
};

/*
 * Reads the environment (secure_getenv(3)) for the variables of all libraries, and sets the rest to
 * its defaults. False: a variable is invalid; the message has the reason, in less than
 * SETTINGS_MESSAGE_SIZE bytes, and only strict is valid. Strings belong to the environment.
 */
bool settings_read(struct settings *settings, char *message);

/* -- For libraries ----------------------------------------------------------------------------- */

/* Parses at least one digit. *end points after the number. */
bool settings_parse_number(const char *text, const char **end, size_t *number);

/* Parses a number with an optional suffix K, M, G or T. */
bool settings_parse_size(const char *text, size_t *size);

/* Writes the message that a variable's value is invalid. Returns false. */
bool settings_invalid(char *message, const char *name, const char *wanted);

/* Reports that the process goes on with libc's malloc, or ends it if settings->strict. */
void settings_complain(const char *library, const struct settings *settings, const char *message,
                       bool serving);
