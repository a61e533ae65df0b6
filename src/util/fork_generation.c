/* SPDX-License-Identifier: BSD-2-Clause */
/* Number of forks between the first process and this one. */
#include "util/fork_generation.h"

unsigned fork_generation FORK_DATA;
