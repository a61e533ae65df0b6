/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is memory that the program passes: a range (space/range.h). */
#pragma once

#include "space/space.h"

/* Memory of the program. */
struct fixed_area {
    void *addr;
    size_t size;
};

/*
 * Creates a space without memory. space_destroy() ends the space, and does not change the program's
 * memory. NULL: no memory for the record.
 */
struct space *fixed_store_create(unsigned owner);

/*
 * Gives the space, which has no memory yet, the whole pages of [addr, addr + size), and enters them
 * into the range map. Where there is no whole page, the space stays without memory. given: the area
 * that the program has passed, which may be larger. 0; -EINVAL for addresses that do not exist;
 * -ENOMEM, -ENFILE: there is no room for records.
 */
int fixed_store_open(struct space *space, void *addr, size_t size, struct fixed_area given);

/*
 * Whether `other` begins where the area that the program has passed begins, and is no allocation of
 * that area: some of its pages are free.
 */
bool fixed_store_meets(const struct space *space, struct fixed_area other);

/* Returns the bytes that the program has passed. */
size_t fixed_store_size(const struct space *space);
