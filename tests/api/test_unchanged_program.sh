#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A program that was compiled and linked with memkind 1.14 runs on this library, and prints the same.
# Environment: MEMKIND_SO, CC, MEMKIND_TEST_DIR (optional). Skipped without the distribution's libmemkind-dev.

set -euo pipefail

SKIPPED=77
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc}
header=/usr/include/memkind.h
library=$(readlink -f "$MEMKIND_SO")

skip()
{
    echo "skipped: $*"
    exit $SKIPPED
}

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# The real memkind has kinds that this library has not; another library in its place has nothing to compare.
[ -f $header ] || skip "no $header"
grep -q MEMKIND_HBW $header || skip "$header is not memkind's"
theirs=$("$cc" -print-file-name=libmemkind.so)
[ -f "$theirs" ] || skip "no libmemkind.so of the distribution"
[ "$(readlink -f "$theirs")" != "$library" ] || skip "the distribution's library is this one"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -w "$dir" ] || dir=$work
mkdir "$work/lib"
ln -s "$library" "$work/lib/libmemkind.so.0"

# From now on, only LD_LIBRARY_PATH says which library it is.
unset LD_LIBRARY_PATH LD_PRELOAD
"$cc" -std=gnu11 -D_GNU_SOURCE -O1 -I/usr/include "$here/unchanged_program.c" -o "$work/program" \
    -lmemkind -pthread || fail "the program cannot be compiled"

"$work/program" "$dir" "$theirs" >"$work/theirs" 2>"$work/theirs.err" ||
    [ -s "$work/theirs" ] || fail "the program does not run on memkind 1.14"

LD_LIBRARY_PATH=$work/lib ldd "$work/program" >"$work/ldd"
grep -q "=> $work/lib/libmemkind.so.0 " "$work/ldd" || fail "the loader does not take this library"
LD_LIBRARY_PATH=$work/lib "$work/program" "$dir" "$library" >"$work/ours" 2>"$work/ours.err" ||
    fail "the program does not run on this library: $(cat "$work/ours.err")"
grep -q " is mapped$" "$work/ours.err" || fail "the program ran on another library"
[ "$(wc -l <"$work/ours.err")" = 1 ] || fail "the library prints: $(cat "$work/ours.err")"

diff "$work/theirs" "$work/ours" || fail "the libraries do not agree (<: memkind 1.14, >: this one)"

# All symbols at once, as with hardening flags.
LD_BIND_NOW=1 LD_LIBRARY_PATH=$work/lib "$work/program" "$dir" >"$work/now" ||
    fail "a symbol is missing"
diff "$work/theirs" "$work/now" || fail "the libraries do not agree when all is bound at once"
echo "$(wc -l <"$work/ours") results agree"
