/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and texts of "check", in tables and in JSON. */
#include "tool/output.h"

#include <stdio.h>

#include "util/json.h"

#define GIGA     1e9
#define STEP     1024.0
#define ONE_MORE 10 /* smaller numbers have a decimal */

const char *output_size(char text[OUTPUT_TEXT_SIZE], size_t size, bool known)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)size;
    size_t unit = 0;

    for (; value >= STEP && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= STEP;
    snprintf(text, OUTPUT_TEXT_SIZE, known ? "%.*f %s" : "?", unit > 0 && value < ONE_MORE ? 1 : 0,
             value, units[unit]);
    return text;
}

const char *output_rate(char text[OUTPUT_TEXT_SIZE], double rate)
{
    snprintf(text, OUTPUT_TEXT_SIZE, rate > 0 ? "%.2f" : "?", rate / GIGA);
    return text;
}

/* -- JSON -------------------------------------------------------------------------------------- */

#define PIECE_SIZE 128

static bool follows_object, follows_member;

void output_json_begin(void)
{
    follows_object = false;
    putchar('[');
}

void output_json_begin_object(void)
{
    printf(follows_object ? ",\n  {" : "\n  {");
    follows_object = true;
    follows_member = false;
}

void output_json_end_object(void)
{
    printf("\n  }");
}

void output_json_end(void)
{
    printf("\n]\n");
}

void output_json_name(const char *name)
{
    printf("%s\n    \"%s\": ", follows_member ? "," : "", name);
    follows_member = true;
}

void output_json_text(const char *name, const char *text)
{
    char piece[PIECE_SIZE];

    output_json_name(name);
    putchar('"');
    while (*text != '\0') {
        text = json_escape(piece, sizeof(piece), text);
        fputs(piece, stdout);
    }
    putchar('"');
}

void output_json_number(const char *name, double number, bool known)
{
    output_json_name(name);
    printf(known ? "%.0f" : "null", number);
}

void output_json_truth(const char *name, bool truth, bool known)
{
    const char *word = truth ? "true" : "false";

    output_json_name(name);
    printf("%s", known ? word : "null");
}
