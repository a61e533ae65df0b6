#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: children of clone(2) and _Fork(3), as sandboxes and containers start them, wrote into
# their parent's heap.

. "$(dirname "$0")/../preload/lib.sh"

for call in clone clone3 fork _Fork function memory; do
    for threads in '' threads; do
        "$STRANGERS/raw_forks" $call $threads || fail "$call $threads on libc"
        MEMKIND_PRELOAD_STATS="$work/stats" preloaded "$STRANGERS/raw_forks" $call $threads ||
            fail "$call $threads"
        [ "$(number "$work/stats" file_space_peak)" -gt 0 ] || fail "$call: nothing in the file"
    done
done
# Where the handler has interrupted the library, the child runs on libc.
preloaded "$STRANGERS/forks_in_handler" 150 || fail "forks in a handler"
[ -z "$(ls -A "$work/pmem")" ] || fail "left behind: $(ls -A "$work/pmem")"
