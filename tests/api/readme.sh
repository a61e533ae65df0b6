#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The README's program works, and the files and tests that the READMEs name exist.
#
# Environment: MEMKIND_SO, MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CC, CMAKE.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -w "$dir" ] || dir=/tmp
cd "$MEMKIND_SOURCE_DIR"
failures=0

complain()
{
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

echo "== the program of README.md"
sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$work/program.c"
grep -q memkind_create_pmem "$work/program.c" || complain "there is no program"
sed -i "s|\"/mnt/pmem\"|\"$dir\"|" "$work/program.c"
"${CC:-cc}" -Wall -Wextra -Werror -o "$work/program" "$work/program.c" -Iinclude "$MEMKIND_SO"
[ "$(LD_LIBRARY_PATH=${MEMKIND_SO%/*} "$work/program")" = "This line lies in a file." ] ||
    complain "what it prints"
status=0
sed "s|\"$dir\"|\"$work/none\"|" "$work/program.c" >"$work/wrong.c"
"${CC:-cc}" -o "$work/wrong" "$work/wrong.c" -Iinclude "$MEMKIND_SO"
LD_LIBRARY_PATH=${MEMKIND_SO%/*} "$work/wrong" 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q 'No such file' "$work/err" ||
    complain "without a directory: $status, $(cat "$work/err")"

echo "== links, folders and tests"
[ "$(wc -l <README.md)" -le 120 ] || complain "README.md has more than 120 lines"
for page in README.md src/README.md tests/README.md tests/bench/README.md; do
    here=$(dirname "$page")
    for link in $(grep -oE '\]\([^)#]+\)' "$page" | tr -d '()]'); do
        [ -e "$here/$link" ] || complain "$page: $link is not there"
    done
done
for folder in src tests; do
    # The first cell of each row of the first table.
    named=$(sed -n 's/^| `\([a-z]*\)` |.*/\1/p' "$folder/README.md" | LC_ALL=C sort)
    found=$(cd "$folder" && printf '%s\n' */ | tr -d / | LC_ALL=C sort)
    [ "$named" = "$found" ] ||
        complain "$folder/README.md: $(diff <(echo "$named") <(echo "$found"))"
done
# Not by ctest -N: a second ctest moves the log of the first, and tests check their descriptors.
tests=$(find "$MEMKIND_BUILD_DIR/tests" -name CTestTestfile.cmake -exec sed \
    -n 's/^add_test(\[=\[\(.*\)\]=\] .*/\1/p' {} +)
for test in $(grep -oE '`[a-z]+/[a-z_]+(\.sh|\.py)?`' tests/README.md | tr -d '`'); do
    grep -qxF -- "$test" <<<"$tests" || [ -x "tests/$test" ] ||
        complain "tests/README.md: there is no test $test"
done
# A row of a table cannot be broken.
awk 'length > 100 && (FILENAME == "README.md" || !/^\|/) {
        print FILENAME ": line " FNR " is too long"
        bad = 1
    }
    END { exit bad }' README.md src/README.md tests/README.md tests/bench/README.md ||
        failures=$((failures + 1))
exit $((failures != 0))
