#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The heap of a program is made at the first request. Usage: first.sh FIRST

. "$(dirname "$0")/lib.sh"

first=$1
EXIT_STRICT=125

for name in none malloc calloc realloc aligned fork environment; do
    echo "== $name"
    preloaded "$first" $name 2>"$work/err" || { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "$name prints: $(cat "$work/err")"
done
for round in 1 2 3 4 5; do
    echo "== threads, $round"
    preloaded "$first" threads || fail threads
done

echo "== a directory that is removed before"
mkdir "$work/gone"
LD_PRELOAD=$library MEMKIND_PRELOAD_DIR=$work/gone "$first" gone 2>"$work/err" ||
    { cat "$work/err"; fail gone; }
[ "$(wc -l <"$work/err")" = 1 ] &&
    grep -q "no heap in MEMKIND_PRELOAD_DIR=.*/gone (No such file.*; libc's malloc is used$" \
        "$work/err" || fail "it says: $(cat "$work/err")"
mkdir "$work/gone"
status=0
preloaded MEMKIND_PRELOAD_DIR="$work/gone" "$first" gone 2>"$work/err" || status=$?
[ $status = $EXIT_STRICT ] || fail "under STRICT the status is $status: $(cat "$work/err")"
