/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of huge pages of 1 GiB.
 *
 * Each block is a map of its own, of as many pages as it needs, which are taken before it is handed
 * out and go back when it is freed. So these kinds have no heap; a table says how large a block is.
 */
#pragma once

#include <sys/types.h>

#include "memkind/internal/memkind_private.h"

/* Whether the kind is one of these. */
bool gbtlb_is(const struct memkind *kind);

/*
 * Bytes of all such pages that the kind's nodes have, used or not; -1 with errno where the kind has
 * no nodes (ENODEV) or only prefers them (EINVAL).
 */
ssize_t gbtlb_capacity(struct memkind *kind);
