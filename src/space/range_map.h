/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ranges that programs brought along for kinds: which one an address lies in, read without a
 * lock.
 *
 * The address map says in which granules to look here. Ranges may lie within blocks of other kinds,
 * and within each other: the smallest one counts. There are few, so they are looked through one by
 * one. An entry stays what it is while blocks in its range are in use; who looks for another
 * address meanwhile, and meets an entry that changes, finds it empty or passes it over.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* As many as there can be kinds. */
#define RANGE_MAP_ENTRIES 544

/*
 * Enters [base, base + size), in whole pages and not empty, with its owner in the sense of the
 * address map and with the bytes of its pages for the page map (size >> PAGE_MAP_PAGE_SHIFT, all
 * zero). 0 or -ENOMEM; -EINVAL where the address map does not cover the range; -ENFILE where there
 * are too many. Thread-safe.
 */
int range_map_add(const void *base, size_t size, unsigned owner, _Atomic uint8_t *classes);

/* Takes out what was entered at base for the owner. Thread-safe. */
void range_map_remove(const void *base, unsigned owner);

/*
 * In the child of a fork(2). An entry that another thread was making is not there, since what makes
 * it valid is written last.
 */
void range_map_after_fork(void);

/*
 * The owner of ptr, an address in a granule with ranges: of its range, or of what is beside ranges.
 */
unsigned range_map_owner(const void *ptr);

/* The page map's byte of ptr's page, where it is in a range; else NULL. */
_Atomic uint8_t *range_map_class_at(const void *ptr);
