/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws results as a picture (SVG): bars of ratios to glibc or, for workloads that only kinds have,
 * to memkind 1.14.
 */
#pragma once

#include "machine.h"
#include "runner.h"

/* Writes the file. False with errno if the file could not be written. */
bool plot_svg(const char *path, const struct machine *machine, const struct runner_row *rows,
              int count);
