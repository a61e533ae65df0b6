/* SPDX-License-Identifier: BSD-2-Clause */
/* Libraries of this package for LD_PRELOAD, for programs that start others. */
#pragma once

#include <limits.h>

/*
 * Stores the path of the library of that name: beside the running program, or in the folder for
 * libraries of the same tree (TOOL_LIBRARY_DIR). 0; -ENOENT: in neither.
 */
int preloading_find(const char *name, char path[PATH_MAX]);

/*
 * Puts the library in front of the others in LD_PRELOAD. 0; -EINVAL: the loader would split its
 * path; -ENOMEM.
 */
int preloading_add(const char *path);
