/* SPDX-License-Identifier: BSD-2-Clause */
/* How often this process's line has forked. */
#include "util/fork_generation.h"

unsigned fork_generation;
