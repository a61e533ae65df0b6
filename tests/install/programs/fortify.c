/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that glibc's headers call in place of others under _FORTIFY_SOURCE: for a static
 * libnuma that was compiled for glibc, in a program on musl. Nothing is checked.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int __asprintf_chk(char **text, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int __vasprintf_chk(char **text, int flag, const char *format, va_list args);
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list args);
int __sprintf_chk(char *text, int flag, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void *__memcpy_chk(void *to, const void *from, size_t size, size_t room);

int __vasprintf_chk(char **text, int flag, const char *format, va_list args)
{
    (void)flag;
    return vasprintf(text, format, args);
}

int __asprintf_chk(char **text, int flag, const char *format, ...)
{
    va_list args;

    (void)flag;
    va_start(args, format);
    int length = vasprintf(text, format, args);
    va_end(args);
    return length;
}

int __vfprintf_chk(FILE *file, int flag, const char *format, va_list args)
{
    (void)flag;
    return vfprintf(file, format, args);
}

int __sprintf_chk(char *text, int flag, size_t size, const char *format, ...)
{
    va_list args;

    (void)flag;
    va_start(args, format);
    int length = vsnprintf(text, size, format, args);
    va_end(args);
    return length;
}

void *__memcpy_chk(void *to, const void *from, size_t size, size_t room)
{
    (void)room;
    return memcpy(to, from, size);
}
