/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap in a kind of the library. */
#include <stdio.h>

#include "preload/memkind_preload/places.h"
#include "preload/named_kinds.h"
#include "preload/settings.h"

bool places_of_kind(const char *name, struct serving *serving, char *message)
{
    char reason[MEMKIND_ERROR_MESSAGE_SIZE];
    memkind_t kind = named_kinds_find_short(name);

    if (kind == NULL)
        return settings_invalid(message, "MEMKIND_PRELOAD_KIND",
                                "a kind such as hbw, dax-kmem or highest-capacity");
    int err = memkind_check_available(kind);
    if (err != MEMKIND_SUCCESS) {
        memkind_error_message(err, reason, sizeof(reason));
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no heap of MEMKIND_PRELOAD_KIND=%.64s (%s)", name,
                 reason);
        return false;
    }
    *serving = serving_by_kind(kind);
    return true;
}
