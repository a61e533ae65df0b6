/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dlopen(3) without RTLD_DEEPBIND. A library that is loaded with the flag calls libc's malloc and
 * free, whatever the process uses: it would pass blocks of its host to libc's free, which ends the
 * process.
 *
 * libc searches the library by the caller's run path, and identifies the caller by the return
 * address. Therefore the last call here must be a jump: this file is always optimized.
 */
#include <dlfcn.h>

#include "preload/preload.h"

EXPORT void *dlopen(const char *file, int mode)
{
    __typeof__(dlopen) *next = PRELOAD_BEHIND(dlopen);

    if ((mode & RTLD_DEEPBIND) != 0 && !preload.deep_bind && preload_kind_for_request() != NULL)
        mode &= ~RTLD_DEEPBIND;
    return next(file, mode);
}
