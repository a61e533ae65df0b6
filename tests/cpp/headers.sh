#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every header compiles alone, as C99 and C11 and as C++11 to C++20, with each installed compiler,
# without a warning; C++ headers also without exceptions and without run-time type information, and
# hbw_allocator.h as C++98.
#
# Environment: MEMKIND_SOURCE_DIR.

set -euo pipefail

flags="-pedantic -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror -fsyntax-only \
-I$MEMKIND_SOURCE_DIR/include"
cxx_flags="-Wold-style-cast -Wdeprecated -Wnon-virtual-dtor"
failures=0
compiled=0

# compile COMPILER LANGUAGE STANDARD HEADER [FLAG...]
compile()
{
    # shellcheck disable=SC2086 # a list of flags
    if printf '#include <%s>\n#include <%s>\n' "$4" "$4" |
        "$1" -x "$2" "-std=$3" $flags "${@:5}" -; then
        compiled=$((compiled + 1))
    else
        echo "FAILED: $1 -std=$3 ${*:5}: $4" >&2
        failures=$((failures + 1))
    fi
}

cd "$MEMKIND_SOURCE_DIR/include"
headers=$(find . -name '*.h' | sed 's,^\./,,' | sort)
for header in $headers; do
    # C++ headers are those that open a namespace.
    if ! grep -q '^namespace' "$header"; then
        for compiler in gcc clang; do
            command -v "$compiler" >/dev/null || continue
            for standard in c99 c11; do
                compile "$compiler" c "$standard" "$header"
            done
        done
    fi
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        for standard in c++11 c++14 c++17 c++20; do
            # shellcheck disable=SC2086 # a list of flags
            compile "$compiler" c++ "$standard" "$header" $cxx_flags
        done
        compile "$compiler" c++ c++17 "$header" -fno-exceptions
        compile "$compiler" c++ c++17 "$header" -fno-rtti
        [ "$header" != hbw_allocator.h ] || compile "$compiler" c++ c++98 "$header"
    done
done
echo "$(wc -w <<<"$headers") headers, $compiled times compiled, $failures failures"
[ "$compiled" -gt 0 ] || exit 77
[ "$failures" -eq 0 ]
