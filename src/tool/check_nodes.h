/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind-pmem check: the memory nodes, as a table and in JSON. */
#pragma once

struct nodes;

/* Prints a row for each node that has memory, and what the speeds mean. */
void check_nodes_table(const struct nodes *nodes);

/* Prints an object for each such node, in the array that output_json_begin() began. */
void check_nodes_json(const struct nodes *nodes);
