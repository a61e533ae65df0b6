#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The index that many threads build in C++ containers equals the one of a single thread: BINARY

set -eu

index=$1
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$dir" ] || dir=/tmp

"$index" --threads 1 --documents 1000 "$dir"
"$index" --threads 16 --documents 10000 "$dir"
"$index" --help | grep -q '^usage: '
for wrong in "--threads 0" "--documents x" "--threads -1" "--none" "$dir more"; do
    status=0
    # Words of arguments. shellcheck disable=SC2086
    "$index" $wrong >/dev/null 2>&1 || status=$?
    [ "$status" -eq 2 ] || { echo "index $wrong: status $status" >&2; exit 1; }
done
! "$index" /nonexistent 2>/dev/null
