/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of mallctl(3)'s controls, and their MIBs.
 *
 * A MIB is the index of a control in mallctl_controls, followed by a number for each further part
 * of the name. A part that is a number is the index of an arena or of a size class; other parts are
 * 0. All functions are thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MALLCTL_PARTS     6  /* most parts of a name */
#define MALLCTL_NAME_SIZE 96 /* bytes of the longest name with all numbers and a NUL */

/* Writes the MIB of the name. Returns its number of parts, or 0 for a name that no control has. */
size_t mallctl_name_find(const char *name, size_t mib[MALLCTL_PARTS]);

/* Returns whether an array of numbers from a program is the MIB of a control. */
bool mallctl_name_is_mib(const size_t *mib, size_t parts);

/* Returns whether the arena that the MIB names, if any, exists. */
bool mallctl_name_has_arena(const size_t *mib, size_t parts);

/* Writes the name of the MIB, in which index 0 stands for any arena. */
void mallctl_name_write(const size_t *mib, size_t parts, char name[MALLCTL_NAME_SIZE]);
