/* SPDX-License-Identifier: BSD-2-Clause */
/* Creation of PMEM kinds. */
#pragma once

#include "kinds/kind_class.h"
#include "memkind/internal/memkind_pmem.h"

/* A place for the memory of a kind: files (pmem_file.c) or DAX devices (pmem_device.c). */
struct pmem_place {
    struct kind_class class;

    /* A space without memory, for space_destroy(). NULL where there is no DRAM. */
    struct space *(*create)(unsigned owner);

    /*
     * Gives a new kind its memory, which `memory` describes. MEMKIND_SUCCESS, or an error with
     * errno: then the caller destroys the kind.
     */
    int (*open)(struct memkind *kind, const struct memkind_config *config, void *memory);
};

extern const struct pmem_place pmem_file;

/*
 * Creates a kind in the place. On failure nothing is left, *kind is not written, and errno is the
 * one of open().
 */
int pmem_create_in(const struct pmem_place *place, const struct memkind_config *config,
                   void *memory, memkind_t *kind);

/* The part of open() that both places share: prefault, policy. */
int pmem_create_configure(struct memkind *kind, const struct memkind_config *config);

/* As memkind_create_pmem_with_config(). */
int pmem_create(const struct memkind_config *config, memkind_t *kind);
