/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds whose memory lies in a nameless file of a directory. */
#pragma once

#include "memkind/internal/memkind_private.h"

struct directory;

/*
 * As memkind_pmem_new(), in an open directory, whose reference the function takes over. The
 * configuration is valid.
 */
int pmem_file_new(const struct memkind_config *config, struct directory *directory,
                  memkind_t *kind);

/* MEMKIND_ERROR_INVALID, with errno and a line in the log: no file can be made in the directory
 * because of -errno. */
int pmem_file_refuse(const char *dir, int err);
