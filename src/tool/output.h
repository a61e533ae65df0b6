/* SPDX-License-Identifier: BSD-2-Clause */
/* How "check" prints numbers and texts, for people and in JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_TEXT_SIZE 32

/* Two or three figures and a unit; "?" where the size is not known. Returns text. */
const char *output_size(char text[OUTPUT_TEXT_SIZE], size_t size, bool known);

/* GB/s of bytes a second; "?" for 0. Returns text. */
const char *output_rate(char text[OUTPUT_TEXT_SIZE], double rate);

/* An array of objects: begin, and for each object begin, members, end; then end. One at a time. */
void output_json_begin(void);
void output_json_begin_object(void);
void output_json_end_object(void);
void output_json_end(void);

/* Members of an object; a number or a truth that is not known is null. */
void output_json_text(const char *name, const char *text);
void output_json_number(const char *name, double number, bool known);
void output_json_truth(const char *name, bool truth, bool known);

/* A member whose value the caller prints. */
void output_json_name(const char *name);
