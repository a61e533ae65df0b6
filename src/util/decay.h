/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decay time: how long memory that no block uses stays with a heap before its file space is
 * returned, unless the kind's policy is CONSERVATIVE.
 */
#pragma once

#include <sys/types.h>

#define DECAY_SECONDS 10u
#define DECAY_MS      ((ssize_t)DECAY_SECONDS * 1000)
