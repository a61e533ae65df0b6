#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind-pmem stats: the numbers of a running process. Usage: stats.sh MEMKIND-PMEM ODD

. "$(dirname "$0")/../preload/lib.sh"

tool=$1
odd=$2

# refuses TEXT PID...: exit status 125, and one line with the text.
refuses()
{
    local status=0
    "$tool" stats "${@:2}" >"$work/out" 2>"$work/err" || status=$?
    [ $status = 125 ] || fail "stats ${*:2} exits with $status"
    grep -qF -- "$1" "$work/err" || fail "it does not say: $1: $(cat "$work/err")"
}

# Python says when it has its memory, and waits to be told to end.
mkfifo "$work/ready" "$work/end"
program="
text = 'x' * (32 << 20)
open('$work/ready', 'w').close()
open('$work/end').close()"
trap 'kill $process 2>/dev/null || true; rm -rf "$work"' EXIT

# start OPTION...: leaves the process's number in $process.
start()
{
    "$tool" run --dir "$work/pmem" "$@" -- /usr/bin/python3 -c "$program" &
    process=$!
    timeout 60 cat "$work/ready" || fail "the program does not begin"
}

end()
{
    : >"$work/end"
    wait $process || fail "the program"
}

[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
echo "== numbers"
start --publish --size 1G
for ((i = 0; i < 100; i++)); do
    "$tool" stats $process >"$work/out" || fail stats
    read -r _ space peak limit blocks short < <(sed -n 2p "$work/out")
    # They may be a second old.
    [ "$blocks" -lt $((32 << 20)) ] || break
    sleep 0.1
done
cat "$work/out"
[ "$blocks" -ge $((32 << 20)) ] && [ "$space" -ge "$blocks" ] && [ "$peak" -ge "$space" ] || fail "too little"
[ "$peak" -lt $((128 << 20)) ] || fail "too much"
[ "$limit" = $((1 << 30)) ] && [ "$short" = 0 ] || fail "another limit"
grep -qE '^libc +- +- +- +[0-9]+ +-$' "$work/out" || fail "nothing about libc"
end
refuses "cannot be looked into: No such file" $process

echo "== no numbers"
start
refuses "publishes nothing; start it by" $process
end
# A child has inherited the page of its parent.
"$tool" run --dir "$work/pmem" --publish -- "$odd" child <"$work/end" >"$work/ready" &
process=$!
exec 3>"$work/end"
read -r -t 60 child <"$work/ready" || fail "no child"
"$tool" stats $process >"$work/out" || fail "stats of the parent"
refuses "publishes nothing" "$child"
exec 3>&-
wait $process || fail "the program with a child"
refuses "give the number of one process"
refuses "give the number of one process" 1 2
refuses "is not the number" x
refuses "is not the number" -- -1
"$tool" stats --help | grep -q -- --publish || fail help
