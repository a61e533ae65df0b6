/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap in a file. */
#include <stdio.h>

#include "preload/file_kind.h"
#include "preload/memkind_preload/places.h"
#include "preload/settings.h"

bool places_in_directory(const char *directory, size_t size, struct serving *serving, char *message)
{
    const char *reason;
    memkind_t kind;

    if (!file_kind_make(directory, size, &kind, &reason)) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no heap in MEMKIND_PRELOAD_DIR=%.256s (%s)",
                 directory, reason);
        return false;
    }
    *serving = serving_by_kind(kind);
    return true;
}
