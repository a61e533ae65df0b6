/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the libraries that are made of the interposer differ in. Each of them has one `library`:
 *
 *    libmemkind-preload.so   memkind_preload/   MEMKIND_PRELOAD_*, see memkind-pmem(1)
 *    libmemtier.so.0         memtier/           MEMKIND_MEM_TIERS, see libmemtier(7)
 *    libautohbw.so.0         autohbw/           AUTO_HBW_*, see autohbw(7)
 */
#pragma once

#include <stdbool.h>

#include "preload/settings.h"

struct library {
    const char *name; /* before messages */

    /*
     * Reads the library's own variables. False where something in them is wrong, with a message as
     * of settings_read(). Called once, before the next one.
     */
    bool (*read)(struct settings *settings, char *message);

    /* Makes the kinds and says how they serve; what else there is in *settings is the library's. */
    bool (*make)(struct settings *settings, struct serving *serving, char *message);

    /*
     * Says that it cannot serve as it was told, or, `serving`, that something beside that failed.
     */
    void (*complain)(const struct settings *settings, const char *message, bool serving);
};

extern const struct library library;
