#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The example in pmemallocator(3) is the program that is built and run here.
#
# Environment: MEMKIND_SOURCE_DIR.

set -euo pipefail

page=$MEMKIND_SOURCE_DIR/man/pmemallocator.3
program=$MEMKIND_SOURCE_DIR/tests/cpp/example_pmem_allocator.cpp

diff <(sed '/^\/\*.*\*\/$/d' "$program") \
    <(sed -n '/^\.Sh EXAMPLES/,/^\.Sh ERRORS/{/^\.Bd/,/^\.Ed/{/^\.[BE]d/d;s/\\e/\\/g;p}}' "$page")
