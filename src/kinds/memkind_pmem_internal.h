/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds as memkind_create_pmem() makes them. */
#pragma once

#include "memkind/internal/memkind_pmem.h"

struct space;

/* As memkind_pmem_create(), over a space that new_space makes: from malloc(3), NULL where there is
 * no memory. */
int memkind_pmem_create_over(struct memkind *kind, struct memkind_ops *ops, const char *name,
                             struct space *(*new_space)(unsigned owner));

/* As memkind_create_pmem_with_config(). */
int memkind_pmem_new(const struct memkind_config *wanted, memkind_t *kind);

/* max_size, or the size of the file system where that is 0; -1 with errno. */
ssize_t memkind_pmem_capacity(struct memkind *kind);
