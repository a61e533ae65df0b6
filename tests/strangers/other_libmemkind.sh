#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: a program that is linked with memkind's own library ends with "undefined symbol" under a
# preload library that is not installed: the loader finds memkind's library first, for both. It runs
# on libc's malloc, and a line says why.

. "$(dirname "$0")/../preload/lib.sh"

EXIT_STRICT=125
other=${MEMKIND_PEER:-$(ldconfig -p 2>/dev/null |
    sed -n 's/.*libmemkind\.so\.0 .*=> //p' | head -n 1)}
[ -n "$other" ] && [ -e "$other" ] || skip "memkind 1.14 is not installed"
nm -D --defined-only "$other" | grep -q ' memkind_arena_free_or$' &&
    skip "the installed libmemkind is this library"

message="memkind-preload: the program uses another libmemkind, $other"
both="$other $library"
# This program has the other library as one that is linked with it has.
text=$(preloaded LD_PRELOAD="$both" MEMKIND_PRELOAD_STRICT=0 sort <<<"a line" 2>"$work/err") ||
    fail "sort fails: $(cat "$work/err")"
[ "$text" = "a line" ] || fail "sort prints $text"
[ "$(cat "$work/err")" = "$message; libc's malloc is used" ] || fail "it says: $(cat "$work/err")"

status=0
preloaded LD_PRELOAD="$both" sort <<<"a line" 2>"$work/err" || status=$?
[ $status = $EXIT_STRICT ] || fail "under STRICT the status is $status: $(cat "$work/err")"
[ "$(cat "$work/err")" = "$message" ] || fail "under STRICT it says: $(cat "$work/err")"
