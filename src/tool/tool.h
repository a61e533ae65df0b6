/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memkind-pmem(1): its commands, and what they share. A command gets its arguments from its own
 * name on, and returns the exit status.
 */
#pragma once

#define TOOL_NAME "memkind-pmem"

/* As env(1) and timeout(1) have them. */
enum { EXIT_USAGE = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

int check_main(int argc, char **argv);
int run_main(int argc, char **argv);
int stats_main(int argc, char **argv);

/* "memkind-pmem: " and the text on stderr; returns EXIT_USAGE. */
int tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
