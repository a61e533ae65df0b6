#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: a database's active defragmentation found no block to move on the preload library.

. "$(dirname "$0")/../preload/lib.sh"

# mapped WHEN: prints what the heap's file and libc held.
mapped()
{
    sed -n "s/^$1: .*mapped \([0-9]*\)$/\1/p" "$work/out"
}

for settings in "" MEMKIND_PRELOAD_SIZE=256M MEMKIND_PRELOAD_FALLBACK=fail; do
    echo "== in a file ${settings:+with $settings}"
    # shellcheck disable=SC2086 # none or one
    preloaded $settings "$STRANGERS/defragment" >"$work/out" || fail "on the library"
    cat "$work/out"
    [ "$(mapped after)" -lt $(($(mapped before) / 2)) ] || fail "the file holds as much as before"
done

jemalloc=$(ldconfig -p 2>/dev/null | sed -n "s/^.*libjemalloc.so.2 .*=> //p" | head -n 1)
[ -n "$jemalloc" ] || { echo "no jemalloc here"; exit 0; }
echo "== on jemalloc"
LD_PRELOAD=$jemalloc "$STRANGERS/defragment" || fail "on jemalloc: the program is wrong"
