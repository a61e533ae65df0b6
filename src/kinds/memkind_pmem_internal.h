/* SPDX-License-Identifier: BSD-2-Clause */
/* PMEM kinds as memkind_create_pmem() makes them. */
#pragma once

#include "kinds/kind_class.h"
#include "memkind/internal/memkind_pmem.h"

/* Where the memory of a kind lies: one for files, one for DAX devices. */
struct pmem_place {
    struct kind_class class;

    /* A space without memory, for space_destroy(); NULL. */
    struct space *(*create)(unsigned owner);

    /*
     * Gives a new kind its memory, which `memory` describes. MEMKIND_SUCCESS, or an error and
     * errno: then the kind is destroyed.
     */
    int (*open)(struct memkind *kind, const struct memkind_config *config, void *memory);
};

extern const struct pmem_place pmem_file;

/*
 * Makes a kind in the place. On failure nothing is left, *kind is not written, and errno is the one
 * of open().
 */
int memkind_pmem_make(const struct pmem_place *place, const struct memkind_config *config,
                      void *memory, memkind_t *kind);

/* The part of open() that is the same in all places: prefault, policy. */
int memkind_pmem_configure(struct memkind *kind, const struct memkind_config *config);

/* As memkind_create_pmem_with_config(). */
int memkind_pmem_new(const struct memkind_config *config, memkind_t *kind);
