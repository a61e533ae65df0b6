#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The examples in Python and Rust, where these are installed. (C++ is index.cpp.)
#
# Environment: MEMKIND_SO, MEMKIND_BUILD_DIR.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$dir" ] || dir=/tmp
work=$(mktemp -d "$MEMKIND_BUILD_DIR/languages-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH=${MEMKIND_SO%/*}
ran=0

# wants STATUS COMMAND...
wants()
{
    local status=0
    "${@:2}" >"$work/out" 2>&1 || status=$?
    [ "$status" -eq "$1" ] || { cat "$work/out"; echo "FAILED: $* ends with $status" >&2; exit 1; }
}

if command -v python3 >/dev/null; then
    wants 0 python3 "$here/records.py" "$dir"
    cat "$work/out"
    wants 1 python3 "$here/records.py" /nonexistent
    grep -q 'No such file' "$work/out"
    ran=1
else
    echo "skipped: no python3"
fi

if command -v rustc >/dev/null; then
    # The linker needs the name without a version.
    ln -s "$MEMKIND_SO" "$work/libmemkind.so"
    wants 0 rustc --edition 2021 -D warnings -O -L "$work" -o "$work/list" "$here/list.rs"
    wants 0 "$work/list" "$dir"
    cat "$work/out"
    wants 1 "$work/list" /nonexistent
    grep -q 'No such file' "$work/out"
    ran=1
else
    echo "skipped: no rustc"
fi
[ "$ran" -eq 1 ] || exit 77
