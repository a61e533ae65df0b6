#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: on the preload library, the child of a program with a snapshot kind of its own changed its
# parent's kind.

. "$(dirname "$0")/../preload/lib.sh"

preloaded "$STRANGERS/kind_below_heap" "$work" || fail "the program's own kind"
preloaded MEMKIND_PRELOAD_RATIO=1:2 "$STRANGERS/kind_below_heap" "$work" || fail "with a ratio"
[ "$(ls -A "$work")" = pmem ] || fail "left behind: $(ls -A "$work")"
