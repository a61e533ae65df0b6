/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dlopen(3) without RTLD_DEEPBIND. A library that is loaded with it calls libc's malloc and free
 * whatever the process has: libc's free would get the blocks of its host, and end the process.
 *
 * libc looks for the library where the caller's run path says, and knows the caller by the address
 * that the call returns to. So the last call here must be a jump: this file is always optimized.
 */
#include <dlfcn.h>

#include "preload/preload.h"

EXPORT void *dlopen(const char *file, int mode)
{
    __typeof__(dlopen) *next = PRELOAD_BEHIND(dlopen);

    if (preload_kind() != NULL && !preload.deep_bind)
        mode &= ~RTLD_DEEPBIND;
    return next(file, mode);
}
