/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The differences of the libraries that are made of the interposer. Each defines one `library`:
 *
 *    libmemkind-preload.so   memkind_preload/   MEMKIND_PRELOAD_*, see memkind-pmem(1)
 *    libmemtier.so.0         memtier/           MEMKIND_MEM_TIERS, see libmemtier(7)
 *    libautohbw.so.0         autohbw/           AUTO_HBW_*, see autohbw(7)
 */
#pragma once

#include <stdbool.h>

#include "preload/settings.h"

struct library {
    const char *name; /* the prefix of messages */

    /*
     * Reads the library's own variables. False: one is invalid, with a message as of
     * settings_read(). Called once, before `make`.
     */
    bool (*read)(struct settings *settings, char *message);

    /* Creates the kinds and fills in how they serve. The library may use the rest of *settings. */
    bool (*make)(struct settings *settings, struct serving *serving, char *message);

    /*
     * Returns whether the kinds can be made later, at the first request: a program that makes none
     * does not pay for them. An error would then show as late; false if one is likely. NULL: they
     * cannot.
     */
    bool (*can_wait)(void);

    /*
     * Reports that the library cannot serve as configured, or, if `serving`, that something else
     * failed.
     */
    void (*complain)(const struct settings *settings, const char *message, bool serving);
};

extern const struct library library;
