/* SPDX-License-Identifier: BSD-2-Clause */
/* The only reader of the process environment, with strict parsers. */
#include "util/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENV_BASE  10u
#define ENV_SPACE " \t\n\v\f\r"

const char *env_get(const char *name)
{
    return secure_getenv(name);
}

int env_flag(const char *name, bool *value)
{
    const char *text = env_get(name);

    if (text == NULL)
        return -ENOENT;
    if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
        return -EINVAL;
    *value = text[0] == '1';
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int env_parse_uint(const char *text, unsigned *value)
{
    unsigned number = 0;

    text += strspn(text, ENV_SPACE);
    if (*text == '+')
        text++;
    if (!is_digit(*text))
        return -EINVAL;
    for (; is_digit(*text); text++)
        if (__builtin_mul_overflow(number, ENV_BASE, &number) ||
            __builtin_add_overflow(number, (unsigned)(*text - '0'), &number))
            return -EINVAL;
    if (text[strspn(text, ENV_SPACE)] != '\0')
        return -EINVAL;
    *value = number;
    return 0;
}

int env_uint(const char *name, unsigned min, unsigned max, unsigned *value)
{
    const char *text = env_get(name);
    unsigned number;

    if (text == NULL)
        return -ENOENT;
    if (env_parse_uint(text, &number) != 0 || number < min || number > max)
        return -EINVAL;
    *value = number;
    return 0;
}
