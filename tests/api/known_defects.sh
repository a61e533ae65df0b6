#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The defects that users of memkind 1.14 met: each is present in memkind, and absent in this
# library.
#
# Environment: MEMKIND_SO, MEMKIND_SOURCE_DIR, CC, CXX, MEMKIND_TEST_DIR (optional). Skipped without
# the distribution's libmemkind-dev.

set -euo pipefail

LIMIT=60 # seconds, limit of one case
TRIES=10 # for a defect that does not appear each time
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/both_libraries.bash"

# One C program for both libraries. The C++ allocator is in a header, so two programs are needed.
"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -rdynamic -I/usr/include "$here/known_defects.c" \
    -o "$work/program" "$theirs" -pthread || fail "the program cannot be compiled"
cases=$("$work/program")
if command -v "${CXX:-c++}" >/dev/null; then
    "${CXX:-c++}" -std=c++11 -O1 -I/usr/include "$here/known_defects.cpp" \
        -o "$work/memkind/allocator" "$theirs" -pthread
    "${CXX:-c++}" -std=c++11 -O1 -I"$MEMKIND_SOURCE_DIR/include" "$here/known_defects.cpp" \
        -o "$work/ours/allocator" "$library" -pthread
    cases="$cases 11-copies"
fi
takes memkind
takes ours

# attempt LIBRARY CASE: runs the case in a process of its own. Sets result to "passes" or to the
# defect's description.
attempt()
{
    local program=$work/program status=0
    [ "$2" != 11-copies ] || program=$work/$1/allocator
    # The braces redirect the shell's own message about a crash as well.
    { LD_LIBRARY_PATH=$work/$1 timeout -s KILL $LIMIT "$program" "$dir" "$2"; } >"$work/out" 2>&1 ||
        status=$?
    case $status in
    0) result=passes ;;
    1) result=$(tail -n 1 "$work/out") ;;
    2) fail "$2 on $1: $(tail -n 1 "$work/out")" ;;
    137) result="killed after $LIMIT seconds" ;;
    *) result="ended by SIG$(kill -l $((status - 128)) 2>/dev/null || echo "?, status $status")" ;;
    esac
}

failures=
printf '%-18s | %-66s | %s\n' defect "memkind 1.14" "this library" "------" "------------" \
    "------------"
for name in $cases; do
    for ((try = 0; try < TRIES; try++)); do
        attempt memkind "$name"
        [ "$result" = passes ] || break
    done
    seen=$result
    attempt ours "$name"
    [ "$result" = passes ] || failures="$failures $name"
    [ "$seen" != passes ] || failures="$failures $name (not seen in memkind)"
    printf '%-18s | %-66s | %s\n' "$name" "$seen" "$result"
done
[ -z "$failures" ] || fail "$failures"
