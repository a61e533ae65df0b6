/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of NUMA nodes in text. */
#pragma once

#include "os/node_set.h"

/*
 * Reads a list such as "1-3,5" in the format of numa_parse_nodestring(3): "all" stands for all
 * nodes of `known`, a leading "!" for those of `known` that are not in the list, and after a
 * leading "+", numbers count the nodes of `allowed`. Spaces may stand before numbers. 0; or -EINVAL
 * for any other text, an empty list, and nodes that are not in `known`: then *set is empty.
 */
int node_list_parse(const char *text, const struct node_set *known, const struct node_set *allowed,
                    struct node_set *set);
