#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: memkind-pmem stats, run by root, opened any file that a user's process substituted for its
# page of numbers.

. "$(dirname "$0")/../preload/lib.sh"

mkfifo "$work/in" "$work/out"
"$STRANGERS/replaces_page" "$work/victim" <"$work/in" >"$work/out" &
process=$!
exec 3>"$work/in" 4<"$work/out"
trap 'kill $process 2>/dev/null || true; rm -rf "$work"' EXIT
read -r -t 60 ready <&4 || fail "the program does not begin"
[ "$ready" = ready ] || fail "it says $ready"
for ((i = 0; i < 100; i++)); do
    status=0
    timeout 60 "$MEMKIND_TOOL" stats $process 2>"$work/err" || status=$?
    [ $status = 125 ] || fail "stats exits with $status: $(cat "$work/err")"
done
exec 3>&-
read -r -t 60 opened <&4 || fail "the program does not end"
[ "$opened" = 0 ] || fail "another file was opened, $opened events"
