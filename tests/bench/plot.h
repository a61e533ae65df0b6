/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results as a picture (SVG): bars of ratios, to glibc or, for what only kinds do, to memkind 1.14.
 */
#pragma once

#include "machine.h"
#include "runner.h"

/* false with errno where the file could not be written. */
bool plot_svg(const char *path, const struct machine *machine, const struct runner_row *rows,
              int count);
