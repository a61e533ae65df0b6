/* SPDX-License-Identifier: BSD-2-Clause */
/* Escapes any text for a JSON string. */
#include "util/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TAIL_MASK       0xc0u
#define TAIL_MARK       0x80u
#define TAIL_BITS       6u
#define FIRST_PRINTABLE 0x20u
#define DELETE          0x7fu
#define LAST_CONTROL    0x9fu
#define FIRST_SURROGATE 0xd800u
#define LAST_SURROGATE  0xdfffu
#define LAST_CHARACTER  0x10ffffu
#define REPLACEMENT     0xfffdu

/*
 * For sequences of one, two, three and four bytes: the pattern of the first byte, and the least
 * character.
 */
static const struct form {
    unsigned mask, mark;
    uint32_t least;
} forms[] = {
    {.mask = 0x80, .mark = 0x00, .least = 0},
    {.mask = 0xe0, .mark = 0xc0, .least = 0x80},
    {.mask = 0xf0, .mark = 0xe0, .least = 0x800},
    {.mask = 0xf8, .mark = 0xf0, .least = 0x10000},
};

#define LONGEST_SEQUENCE (sizeof(forms) / sizeof(forms[0]))

static bool is_character(uint32_t code, uint32_t least)
{
    return code >= least && code <= LAST_CHARACTER &&
           (code < FIRST_SURROGATE || code > LAST_SURROGATE);
}

/* Returns the length of the UTF-8 sequence at text; 0: not valid UTF-8. */
static size_t decode(const unsigned char *text, uint32_t *code)
{
    size_t length = 0;

    while (length < LONGEST_SEQUENCE && (text[0] & forms[length].mask) != forms[length].mark)
        length++;
    if (length == LONGEST_SEQUENCE)
        return 0;
    const struct form *form = &forms[length++];
    *code = text[0] & ~form->mask;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & TAIL_MASK) != TAIL_MARK)
            return 0;
        *code = *code << TAIL_BITS | (text[i] & ~TAIL_MASK);
    }
    return is_character(*code, form->least) ? length : 0;
}

static size_t put_code(char *to, uint32_t code)
{
    static const char digits[] = "0123456789abcdef";

    to[0] = '\\';
    to[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        to[2 + i] = digits[code >> (12 - 4 * i) & 0xf];
    return JSON_LONGEST_CHARACTER;
}

/*
 * Writes the character at *text, advances *text past it, and returns the number of bytes written.
 */
static size_t put_character(char *to, const char **text)
{
    uint32_t code = 0;
    size_t length = decode((const unsigned char *)*text, &code);
    const char *start = *text;

    *text += length != 0 ? length : 1;
    if (length == 0)
        return put_code(to, REPLACEMENT);
    if (code < FIRST_PRINTABLE || (code >= DELETE && code <= LAST_CONTROL))
        return put_code(to, code);
    if (code == '"' || code == '\\')
        *to++ = '\\';
    memcpy(to, start, length);
    return length + (code == '"' || code == '\\');
}

const char *json_escape(char *to, size_t size, const char *text)
{
    size_t used = 0;

    while (*text != '\0' && size - used > JSON_LONGEST_CHARACTER)
        used += put_character(to + used, &text);
    to[used] = '\0';
    return text;
}
