/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ranges of memory that programs pass to kinds, and the small segments: the range of an
 * address, found without a lock.
 *
 * The address map marks the granules that have ranges. Ranges may lie within blocks of other kinds,
 * and within each other: the smallest range counts. There are few ranges, so a search reads all
 * entries. An entry does not change while blocks in its range are in use; a search for another
 * address finds an entry that changes meanwhile empty, or skips the entry.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The largest number of kinds. */
#define RANGE_MAP_ENTRIES 544

/*
 * Enters [base, base + size), in whole pages and not empty, with its owner for the address map, and
 * the bytes of its pages for the page map: page_map_bytes(size), all zero. 0 or -ENOMEM; -EINVAL
 * where the address map does not cover the range; -ENFILE where there are too many. Thread-safe.
 */
int range_map_add(const void *base, size_t size, unsigned owner, _Atomic uint8_t *classes);

/* Removes the range at base of the owner. Thread-safe. */
void range_map_remove(const void *base, unsigned owner);

/*
 * Call in the child of a fork. An entry that another thread was about to make is empty, since `end`
 * is written last.
 */
void range_map_after_fork(void);

/*
 * Returns the owner of ptr, an address in a granule with ranges: the owner of its range, or of the
 * memory beside the ranges.
 */
unsigned range_map_owner(const void *ptr);

/* Returns the page map's byte of ptr's page where ptr lies in a range; else NULL. */
_Atomic uint8_t *range_map_class_at(const void *ptr);
