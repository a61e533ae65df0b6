/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory in a file of a directory does, found out by trying. */
#pragma once

#include "tool/place.h"

/*
 * Makes a nameless file in the directory of the place, and tries holes, pages of 2 MiB and
 * bandwidth in it, for about a second. Reads available and map_sync; sets punch, huge, touch and
 * copy, and *aligned: whether most pieces of 2 MiB of the file lie at multiples of 2 MiB of its
 * device, where the file system tells. 0 or -errno.
 */
int measure_place(struct place *place, enum place_answer *aligned);
