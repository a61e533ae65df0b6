/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of memkind-pmem(1), and what they share. A command gets its arguments, beginning
 * with its own name, and returns the exit status.
 */
#pragma once

#define TOOL_NAME "memkind-pmem"

/* As of env(1) and timeout(1). */
enum { EXIT_USAGE = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* "check", "run" and "stats". run_main() returns only if the program could not be started. */
int check_main(int argc, char **argv);
int run_main(int argc, char **argv);
int stats_main(int argc, char **argv);

/* Prints "memkind-pmem: " and the text to stderr. Returns EXIT_USAGE. */
int tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
