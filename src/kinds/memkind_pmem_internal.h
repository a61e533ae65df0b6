/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds as memkind_create_pmem() makes them. */
#pragma once

#include "memkind/internal/memkind_pmem.h"

/* As memkind_create_pmem_with_config(). */
int memkind_pmem_new(const struct memkind_config *wanted, memkind_t *kind);

/* max_size, or the size of the file system where that is 0; -1 with errno. */
ssize_t memkind_pmem_capacity(struct memkind *kind);
