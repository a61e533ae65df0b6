#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The example's result on a PMEM kind equals that on libc's heap and that of sort and uniq: BINARY

set -eu

LC_ALL=C
export LC_ALL

words=$1
input_bytes=8388608
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$dir" ] || dir=/tmp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "$1" >&2
    exit 1
}

# expect STATUS ARGUMENT...: runs the program and expects the status; output in out and err.
expect() {
    wanted=$1
    shift
    status=0
    "$words" "$@" >out 2>err || status=$?
    [ "$status" -eq "$wanted" ] || fail "words $*: status $status instead of $wanted: $(cat err)"
    [ "$wanted" -eq 0 ] || [ -s err ] || fail "words $*: fails without a message"
}

# Licence texts, or numbers spelt with letters.
{ cat /usr/share/common-licenses/* 2>/dev/null || true; } >unit
[ -s unit ] || seq 100000 | tr 0-9 a-j >unit

size=$(wc -c <unit)
i=0
while [ $((i * size)) -lt "$input_bytes" ]; do
    cat unit
    # A unique word for each copy, so that the table grows to the end.
    echo "copy$i" | tr 0-9 a-j
    i=$((i + 1))
done >text

# reference FILE TOP: prints the expected output.
reference() {
    tr 'A-Z' 'a-z' <"$1" | tr -cs 'a-z' '\n' | grep . >all || true
    sort all | uniq -c | sort -k1,1nr -k2,2 >counted
    head -n "$2" counted | sed 's/^ *//'
    echo "$(wc -l <counted) distinct words"
    echo "$(wc -l <all) words"
}

"$words" --libc text >libc.out
"$words" text "$dir" >pmem.out 2>pmem.err
cmp libc.out pmem.out
reference text 10 >reference.out
cmp reference.out pmem.out
grep -q '^words: kind: allocated [1-9]' pmem.err || fail "no statistics: $(cat pmem.err)"

# All words, in their order.
"$words" --libc --top 1000000 text >libc.out
"$words" --top=1000000 text "$dir" >pmem.out 2>/dev/null
cmp libc.out pmem.out
reference text 1000000 | cmp - pmem.out

# Edge cases: nothing, no letters, no newline, a word longer than a piece of the text, a pipe.
: >edge
expect 0 edge "$dir"
printf '0 distinct words\n0 words\n' | cmp - out
printf '12 _ 3\n' >edge
expect 0 --top 0 edge "$dir"
printf '0 distinct words\n0 words\n' | cmp - out
{ printf 'End '; head -c 3000000 /dev/zero | tr '\0' 'X'; printf ' eND'; } >edge
expect 0 edge "$dir"
reference edge 10 | cmp - out
printf 'one two, TWO' | "$words" --top 1 /dev/stdin "$dir" 2>/dev/null >out
printf '2 two\n2 distinct words\n3 words\n' | cmp - out

expect 0 --help
grep -q '^usage: ' out || fail "no help"
expect 2
expect 2 --unknown text
expect 2 --top
expect 2 --top x text
expect 2 --top -1 text
expect 2 text "$dir" more
expect 1 "no such file"
grep -q 'no such file: No such file' err || fail "the missing file is not named: $(cat err)"
expect 1 text "$dir/no such directory"
grep -q 'no such directory: .*No such file' err ||
    fail "the missing directory is not named: $(cat err)"
expect 1 "$dir" "$dir"

if [ -w /dev/full ] && "$words" --libc text >/dev/full 2>err; then
    fail "a result that cannot be written is a success"
fi
