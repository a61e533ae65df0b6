#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Puts the same questions to memkind 1.14 and to this library, in one program. This library must
# give the answers that behaviour/ has. memkind must give them too, except in exactly the cases that
# memkind(3) names in comments (.\" behaviour: CASE...) beside the differences that it lists.
#
# Environment: MEMKIND_SO, MEMKIND_SOURCE_DIR, CC, MEMKIND_TEST_DIR (optional). Skipped without the
# distribution's libmemkind-dev.

set -euo pipefail

LIMIT=60 # seconds, limit of one case
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/both_libraries.bash"

"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -I/usr/include "$here"/behaviour/*.c -o "$work/program" \
    "$theirs" -pthread || fail "the program cannot be compiled"

# answer LIBRARY CASE: prints the answer of the case, which runs in a process of its own.
answer()
{
    local status=0
    { LD_LIBRARY_PATH=$work/$1 timeout -s KILL $LIMIT "$work/program" "$dir" "$2"; } \
        >"$work/out" 2>"$work/err" || status=$?
    case $status in
    0) answer=$(cat "$work/out") ;;
    137) answer="no answer in $LIMIT seconds" ;;
    *) answer="ended by SIG$(kill -l $((status - 128)) 2>/dev/null || echo "?, status $status")" ;;
    esac
}

listed=$(sed -n 's/^\.\\" behaviour: //p' "$MEMKIND_SOURCE_DIR/man/memkind.3" | tr ' ' '\n' | sort)
"$work/program" >"$work/cases"
failures=0
differing=
while IFS= read -r line; do
    name=${line%%:*}
    expected=${line#*: }
    answer ours "$name"
    ours=$answer
    answer memkind "$name"
    if [ "$ours" != "$expected" ]; then
        echo "WRONG: $name: $ours; expected: $expected"
        failures=$((failures + 1))
    fi
    if [ "$answer" != "$ours" ]; then
        differing="$differing$name"$'\n'
        printf '%-33s memkind: %s\n%-33s    here: %s\n' "$name" "$answer" "" "$ours"
    fi
done <"$work/cases"
echo "$(wc -l <"$work/cases") cases"

diff <(echo "$listed") <(printf '%s' "$differing" | sort) >"$work/diff" || {
    sed -n -e 's/^< /no difference, but memkind(3) lists it: /p' \
        -e 's/^> /a difference, but memkind(3) does not list it: /p' \
        "$work/diff"
    failures=$((failures + 1))
}
[ "$failures" -eq 0 ] || fail "see above"
