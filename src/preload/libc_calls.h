/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libc's own calls of malloc, calloc and realloc, which callers.h keeps in libc's heap, led past
 * this library's functions of these names. These functions then need not check their caller.
 */
#pragma once

#include <stdbool.h>

/* What libc calls instead. */
struct libc_calls {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t num, size_t size);
    void *(*realloc)(void *ptr, size_t size);
};

/*
 * Replaces the three addresses in the relocated data of libc. False: some are not replaced, and
 * these calls arrive as before. The process's functions are this library's. Other threads may call
 * meanwhile.
 */
bool libc_calls_redirect(const struct libc_calls *calls);
