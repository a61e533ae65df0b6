/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of memory in a file of a directory, found out by experiment. */
#pragma once

#include "tool/place.h"

/*
 * Creates a nameless file in the directory of the place, and tries holes, pages of 2 MiB and
 * bandwidth in it, for about a second. Reads available and map_sync; sets punch, huge, touch and
 * copy, and *aligned: whether most pieces of 2 MiB of the file lie at multiples of 2 MiB of its
 * device, if the file system reports that. 0 or -errno.
 */
int measure_place(struct place *place, enum place_answer *aligned);
