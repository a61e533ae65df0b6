#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A program that was compiled and linked with memkind 1.14 runs on this library, and prints the
# same.
#
# Environment: MEMKIND_SO, CC, MEMKIND_TEST_DIR (optional). Skipped without the distribution's
# libmemkind-dev.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/both_libraries.bash"

"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -I/usr/include "$here/unchanged_program.c" \
    -o "$work/program" -lmemkind -pthread || fail "the program cannot be compiled"

"$work/program" "$dir" "$theirs" >"$work/theirs" 2>"$work/theirs.err" ||
    [ -s "$work/theirs" ] || fail "the program does not run on memkind 1.14"

takes ours
LD_LIBRARY_PATH=$work/ours "$work/program" "$dir" "$library" >"$work/ours.out" 2>"$work/ours.err" ||
    fail "the program does not run on this library: $(cat "$work/ours.err")"
grep -q " is mapped$" "$work/ours.err" || fail "the program ran on another library"
[ "$(wc -l <"$work/ours.err")" = 1 ] || fail "the library prints: $(cat "$work/ours.err")"

diff "$work/theirs" "$work/ours.out" ||
    fail "the libraries do not agree (<: memkind 1.14, >: this one)"

# Resolves all symbols at the start, as hardening flags do.
LD_BIND_NOW=1 LD_LIBRARY_PATH=$work/ours "$work/program" "$dir" >"$work/now" ||
    fail "a symbol is missing"
diff "$work/theirs" "$work/now" || fail "the libraries do not agree when all is bound at once"
echo "$(wc -l <"$work/ours.out") results agree"
