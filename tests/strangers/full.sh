#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: a full heap with libc behind it took five times libc's time: every other request emptied
# all caches.

. "$(dirname "$0")/../preload/lib.sh"

operations=200000
for threads in 1 4; do
    echo "== threads: $threads"
    preloaded MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_STATS="$work/stats" "$STRANGERS/full" \
        $((threads * operations)) $((threads * operations / 200)) "$threads"
    [ "$(number "$work/stats" fallbacks)" -gt 1000 ] || fail "the heap was not full"
done
echo "== freed memory is reused"
[ "$(number "$work/stats" allocated)" -gt $((12 << 20)) ] ||
    fail "the heap is not used: $(cat "$work/stats")"
