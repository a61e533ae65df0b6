#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The cache finds what it stored, even if there is room for only a part: BINARY

set -eu

cache=$1
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$dir" ] || dir=/tmp

# All values fit; not all fit; one byte in DRAM for each in PMEM.
"$cache" --keys 2000 --operations 100000 "$dir"
"$cache" --keys 100000 --operations 200000 --mib 16 "$dir"
"$cache" --keys 20000 --operations 100000 --mib 16 --ratio 1 "$dir"
"$cache" --help | grep -q '^usage: '
for wrong in "--keys 0" "--mib x" "--ratio -1" "--none" "$dir more"; do
    status=0
    # Words of arguments. shellcheck disable=SC2086
    "$cache" $wrong >/dev/null 2>&1 || status=$?
    [ "$status" -eq 2 ] || { echo "cache $wrong: status $status" >&2; exit 1; }
done
! "$cache" /nonexistent 2>/dev/null
