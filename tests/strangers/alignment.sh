#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: a block of malloc(8) was aligned to 8, where the processor's ABI requires 16.

. "$(dirname "$0")/../preload/lib.sh"

"$STRANGERS/alignment" || fail "the program does not even run on libc"
preloaded "$STRANGERS/alignment" || fail "not aligned"
preloaded MEMKIND_PRELOAD_RATIO=1:1 "$STRANGERS/alignment" || fail "not aligned with a ratio"
preloaded MEMKIND_PRELOAD_MIN=5 "$STRANGERS/alignment" || fail "not aligned with a least size"
preloaded MEMKIND_PRELOAD_MAX=6 "$STRANGERS/alignment" || fail "not aligned with a largest size"
