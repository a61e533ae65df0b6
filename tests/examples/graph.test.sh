#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A graph of twice the DRAM is searched from a PMEM kind, and does not fit into libc's heap: BINARY

set -eu

graph=$1
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$dir" ] || dir=/tmp

"$graph" --nodes 1 "$dir"
"$graph" --help | grep -q '^usage: '
for wrong in "--nodes 0" "--dram x" "--degree -1" "--none" "$dir more"; do
    status=0
    # Words of arguments. shellcheck disable=SC2086
    "$graph" $wrong >/dev/null 2>&1 || status=$?
    [ "$status" -eq 2 ] || { echo "graph $wrong: status $status" >&2; exit 1; }
done
! "$graph" /nonexistent 2>/dev/null

size="--nodes 400000 --degree 40"
# The sanitizers' own memory counts against the limit too.
if "$graph" --libc --nodes 1000 --dram 1 2>/dev/null &&
    ! "$graph" --libc $size --dram 16 2>/dev/null; then
    "$graph" $size --dram 16 "$dir"
    "$graph" --libc $size --dram 100
else
    "$graph" $size --dram 100 "$dir"
    echo "skipped: this system does not limit private memory"
    exit 77
fi
