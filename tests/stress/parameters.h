/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of stress tests: environment variables. */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define PARAMETER_BASE 10

/*
 * Returns the number in the environment variable, or `normal` if it is unset. Ends the test at any
 * other text.
 */
static inline size_t parameter(const char *name, size_t normal)
{
    const char *text = getenv(name);
    char *end;

    if (text == NULL)
        return normal;
    errno = 0;
    unsigned long long value = strtoull(text, &end, PARAMETER_BASE);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        fprintf(stderr, "%s=%s is not a number\n", name, text);
        exit(EXIT_FAILURE);
    }
    return (size_t)value;
}
