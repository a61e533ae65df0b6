/* SPDX-License-Identifier: BSD-2-Clause */
/* Marks the functions of the fast paths of malloc and free. */
#pragma once

/* Begins at a cache line: a pair of malloc and free elsewhere takes two cycles more, of twenty. */
#define HOT_FUNCTION __attribute__((aligned(64)))
