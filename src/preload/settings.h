/* SPDX-License-Identifier: BSD-2-Clause */
/* What the environment asks of the preload library: MEMKIND_PRELOAD_*, see memkind-pmem(1). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_MESSAGE_SIZE 512

/*
 * Whether MEMKIND_PRELOAD_EXCEPT names the program: its executable's file, or the name by which
 * that was executed, without folders. Makes no system call for the latter, and otherwise
 * readlink(2) alone.
 */
bool settings_leave_out(void);

struct settings {
    const char *dir;
    size_t size;         /* 0: no limit */
    size_t min, max;     /* sizes of blocks that go to PMEM, both included */
    unsigned dram, pmem; /* the ratio; 0 : 0 where there is none to be kept */
    bool fall_back;      /* libc serves what PMEM has no room for */
    const char *stats;   /* file for the numbers at exit, NULL: none; "%p" is the process */
    bool publish;        /* the numbers of the running process can be read by others */
    bool deep_bind;      /* RTLD_DEEPBIND is left to dlopen(3) */
    bool strict;         /* what is wrong ends the process */
};

/*
 * Reads the environment (secure_getenv(3)). False where something in it is wrong; then message says
 * what, in less than SETTINGS_MESSAGE_SIZE bytes, and only strict can be relied on. Strings belong
 * to the environment.
 */
bool settings_read(struct settings *settings, char *message);
