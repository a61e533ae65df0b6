#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The example of each manual page compiles without a warning and runs, the C++ ones by the oldest
# and the newest standard.
#
# Environment: MEMKIND_SOURCE_DIR, MEMKIND_SO, CC, CXX; MEMKIND_TEST_DIR.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=$(dirname "$MEMKIND_SO")
dir=${MEMKIND_TEST_DIR:-/dev/shm}
flags="-pedantic -Wall -Wextra -Werror -I$MEMKIND_SOURCE_DIR/include -L$library -Wl,-rpath,$library"
run=0

# try COMPILER LANGUAGE STANDARD SOURCE
try()
{
    # shellcheck disable=SC2086 # a list of flags
    "$1" "-std=$3" $flags -o "$work/program" -x "$2" "$4" -x none -lmemkind
    "$work/program" "$dir" >"$work/output"
    [ -s "$work/output" ] || { echo "FAILED: $4 prints nothing" >&2; exit 1; }
    run=$((run + 1))
}

for page in "$MEMKIND_SOURCE_DIR"/man/*.3; do
    grep -q '^\.Sh EXAMPLES' "$page" || continue
    source=$work/$(basename "$page")
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh ERRORS/{/^\.Bd/,/^\.Ed/{/^\.[BE]d/d;s/\\e/\\/g;p}}' "$page" \
        >"$source"
    [ -s "$source" ] || { echo "FAILED: $page has an empty example" >&2; exit 1; }
    if ! grep -q 'std::' "$source"; then
        try "$CC" c gnu11 "$source"
    elif [ -n "${CXX:-}" ]; then
        try "$CXX" c++ c++11 "$source"
        try "$CXX" c++ c++20 "$source"
    fi
done
echo "$run examples compiled and run"
