/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds as memkind_create_pmem() makes them. */
#pragma once

#include "memkind/internal/memkind_pmem.h"

struct space;

/*
 * Gives a new kind its memory, in a place that only the function and memkind_pmem_make()'s caller
 * know. MEMKIND_SUCCESS, or an error and errno: then the kind is destroyed.
 */
typedef int memkind_pmem_open(struct memkind *kind, const struct memkind_config *config,
                              void *place);

/*
 * Makes a kind over a space that new_space makes, from malloc(3) or NULL, and opens it. On failure
 * nothing is left, *kind is not written, and errno is what `open` has set.
 */
int memkind_pmem_make(struct space *(*new_space)(unsigned owner), memkind_pmem_open *open,
                      const struct memkind_config *config, void *place, memkind_t *kind);

/* The part of opening that is the same everywhere: prefault, policy. */
int memkind_pmem_configure(struct memkind *kind, const struct memkind_config *config);

/* As memkind_create_pmem_with_config(). */
int memkind_pmem_new(const struct memkind_config *wanted, memkind_t *kind);

/* max_size, or the size of the file system where that is 0; -1 with errno. */
ssize_t memkind_pmem_capacity(struct memkind *kind);
