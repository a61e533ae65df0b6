/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and texts of "check", in tables and in JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_TEXT_SIZE 32

/* Writes two or three figures and a unit; "?" for an unknown size. Returns text. */
const char *output_size(char text[OUTPUT_TEXT_SIZE], size_t size, bool known);

/* Writes GB/s of bytes a second; "?" for 0. Returns text. */
const char *output_rate(char text[OUTPUT_TEXT_SIZE], double rate);

/*
 * Print an array of objects: begin; for each object begin, members, end; then end. One at a time.
 */
void output_json_begin(void);
void output_json_begin_object(void);
void output_json_end_object(void);
void output_json_end(void);

/* Print members of an object; unknown numbers and truth values are null. */
void output_json_text(const char *name, const char *text);
void output_json_number(const char *name, double number, bool known);
void output_json_truth(const char *name, bool truth, bool known);

/* Prints the name of a member whose value the caller prints. */
void output_json_name(const char *name);
