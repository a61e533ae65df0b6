#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Counts the instructions that memtier's functions add to those of a kind, by callgrind. Usage:
# tiers.sh PROGRAM

set -eu
shopt -s inherit_errexit

program=${1:?usage: tiers.sh PROGRAM}
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -w "$dir" ] || dir=/tmp
unset LD_PRELOAD MEMKIND_ARENA_NUM_PER_KIND MEMKIND_HOG_MEMORY MEMKIND_DEBUG
few=100000
many=300000
failures=0
err=$(mktemp)
trap 'rm -f "$err"' EXIT

if ! command -v valgrind >/dev/null; then
    echo "no valgrind here: skipped"
    exit 77
fi

# instructions HOW TIMES: prints the instructions of the whole process.
instructions()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$dir" "$1" "$2" 2>"$err" ||
        { cat "$err" >&2; exit 1; }
    sed -n 's/.*Collected : //p' "$err"
}

# cost HOW: prints tenths of an instruction of a malloc(64) and a free, including the loop's.
cost()
{
    local some more
    some=$(instructions "$1" $few)
    more=$(instructions "$1" $many)
    echo $(((more - some) * 10 / (many - few)))
}

kind=$(cost kind)
[ "$kind" -gt 500 ] || { echo "a kind takes $kind tenths: not counted" >&2; exit 1; }
# The threshold's cost includes checking the ratio every 20 operations.
for limit in counted:28 ratio:32 threshold:80; do
    how=${limit%:*}
    beyond=$(cost "$how")
    beyond=$((beyond - kind))
    echo "$how: $beyond tenths of an instruction beyond the kind's $kind, at most ${limit#*:}0"
    [ "$beyond" -le "${limit#*:}0" ] || failures=$((failures + 1))
done
[ "$failures" -eq 0 ] || { echo "$failures failed" >&2; exit 1; }
