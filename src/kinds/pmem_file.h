/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds whose memory lies in a nameless file of a directory. */
#pragma once

#include "memkind/internal/memkind_private.h"

struct directory;

/*
 * As pmem_create(), in an open directory; the function takes over the reference. The configuration
 * is valid.
 */
int pmem_file_new(const struct memkind_config *config, struct directory *directory,
                  memkind_t *kind);

/*
 * Logs that no file can be created in the directory, and sets errno to -err. Returns
 * MEMKIND_ERROR_INVALID.
 */
int pmem_file_refuse(const char *dir, int err);
