/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds as memkind_create_pmem() makes them. */
#pragma once

#include "memkind/internal/memkind_pmem.h"

/* As memkind_create_pmem(), with a policy. */
int memkind_pmem_new(const char *dir, size_t max_size, memkind_mem_usage_policy policy,
                     memkind_t *kind);

/* max_size, or the size of the file system where that is 0; -1 with errno. */
ssize_t memkind_pmem_capacity(struct memkind *kind);
