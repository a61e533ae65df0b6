/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces in anonymous memory, placed by the operations of their kind. */
#pragma once

#include "memkind/internal/memkind_private.h"
#include "os/vm.h"
#include "space/space.h"

/*
 * A space for the kind, which must outlive the space: over huge pages (huge_page_store.h) where the
 * kind's mmap flags have MAP_HUGETLB. space_destroy() ends the space. NULL where there is no memory
 * for the record.
 */
struct space *anonymous_store_create(struct memkind *kind, unsigned owner);

/* Applies the madvise and mbind operations of the kind to the range. 0 or -ENOMEM. */
int anonymous_store_bind(struct memkind *kind, void *addr, size_t size);

/* -- For the store of huge pages --------------------------------------------------------------- */

struct anonymous_space {
    struct space space;
    struct memkind *kind;
};

/* The operation of both stores. */
void anonymous_store_destroy(struct space *space);

/* Maps [addr, addr + size) anew with the flags and the place of the space's kind. 0 or -errno. */
int anonymous_store_place(struct space *space, void *addr, size_t size, enum vm_access access);

/*
 * The same at any address, stored in *addr, with a reservation: the kernel keeps the pages for this
 * process alone. 0 or -errno.
 */
int anonymous_store_claim(struct space *space, size_t size, void **addr);
