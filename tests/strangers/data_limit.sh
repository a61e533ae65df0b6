#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: with "ulimit -d 20000" no program started: 27 MB of the library's tables counted as data
# of the process.

. "$(dirname "$0")/../preload/lib.sh"

# limited OPTION KIB COMMAND...: runs the command on the library with a resource limit.
limited()
{
    echo "== ulimit $1 $2: $3"
    (
        ulimit "$1" "$2"
        preloaded MEMKIND_PRELOAD_STATS="$work/stats" "${@:3}"
    ) >"$work/out" || fail "ended with $?"
    [ "$(number "$work/stats" file_space_peak)" -gt 0 ] || fail "nothing lay in a file"
    [ "$(number "$work/stats" fallbacks)" = 0 ] ||
        fail "not all was in the file: $(cat "$work/stats")"
    rm "$work/stats"
}

text=$(printf 'x%.0s' {1..1000})
for kib in 20000 14000; do
    limited -d $kib ls /
    limited -d $kib bash -c "a='$text'; for i in {1..2000}; do b[i]=\$a\$i; done; echo \${#b[*]}"
    [ "$(cat "$work/out")" = 2000 ] || fail "bash says $(cat "$work/out")"
done
limited -v 150000 ls /
