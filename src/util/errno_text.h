/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of the kernel's error numbers. */
#pragma once

#include <string.h>

/* Returns the text of an errno value, in English. The text is static. Thread-safe. */
static inline const char *errno_text(int error)
{
#ifdef __GLIBC__
    const char *text = strerrordesc_np(error);

    return text != NULL ? text : "unknown error";
#else
    /* The text is static in musl. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    return strerror(error);
#endif
}
