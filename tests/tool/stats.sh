#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind-pmem stats: the numbers of a running process. Usage: stats.sh MEMKIND-PMEM ODD

. "$(dirname "$0")/../preload/lib.sh"

tool=$1
odd=$2

# refuses TEXT PID...: expects exit status 125 and one line with the text.
refuses()
{
    local status=0
    "$tool" stats "${@:2}" >"$work/out" 2>"$work/err" || status=$?
    [ $status = 125 ] || fail "stats ${*:2} exits with $status"
    grep -qF -- "$1" "$work/err" || fail "it does not say: $1: $(cat "$work/err")"
}

# Python reports that it has allocated, and waits until it is told to end.
mkfifo "$work/ready" "$work/end"
program="
text = 'x' * (32 << 20)
open('$work/ready', 'w').close()
open('$work/end').close()"
trap 'kill -9 $process 2>/dev/null || true; rm -rf "$work"' EXIT

# start OPTION...: starts the program and sets $process to its process id.
start()
{
    start_in --dir "$work/pmem" "$@"
}

# start_in OPTION...: the same, with its heap where the options say.
start_in()
{
    "$tool" run "$@" -- /usr/bin/python3 -c "$program" &
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
    # The numbers may be a second old.
    [ "$blocks" -lt $((32 << 20)) ] || break
    sleep 0.1
done
cat "$work/out"
[ "$blocks" -ge $((32 << 20)) ] && [ "$space" -ge "$blocks" ] && [ "$peak" -ge "$space" ] ||
    fail "too little"
[ "$peak" -lt $((128 << 20)) ] || fail "too much"
[ "$limit" = $((1 << 30)) ] && [ "$short" = 0 ] || fail "another limit"
grep -qE '^libc +- +- +- +[0-9]+ +-$' "$work/out" || fail "nothing about libc"
end
refuses "cannot be read: No such file" $process

if grep -qs '^Node 0' /sys/devices/system/node/node0/meminfo; then
    echo "== a heap on memory nodes"
    start_in --nodes all --publish
    for ((i = 0; i < 100; i++)); do
        "$tool" stats $process >"$work/out" || fail stats
        ! grep -qE '^memkind_nodes +- +- +- +[0-9]{8,} +0$' "$work/out" || break
        sleep 0.1
    done
    grep -qE '^memkind_nodes +- +- +- +[0-9]{8,} +0$' "$work/out" || fail "$(cat "$work/out")"
    end
fi

echo "== no numbers"
start
refuses "publishes no statistics; start it by" $process
end
# A child inherits the page of its parent.
"$tool" run --dir "$work/pmem" --publish -- "$odd" child <"$work/end" >"$work/ready" &
process=$!
exec 3>"$work/end"
read -r -t 60 child <"$work/ready" || fail "no child"
"$tool" stats $process >"$work/out" || fail "stats of the parent"
refuses "publishes no statistics" "$child"
exec 3>&-
wait $process || fail "the program with a child"

echo "== a process in a container, with another process id inside"
if unshare --pid --fork true 2>/dev/null; then
    unshare --pid --fork --kill-child "$tool" run --dir "$work/pmem" --publish -- /usr/bin/python3 \
        -c "$program" &
    process=$!
    timeout 60 cat "$work/ready" || fail "the program does not begin"
    inner=$(tr -d ' ' <"/proc/$process/task/$process/children")
    [ "$(sed -n 's/^NSpid:.*[^0-9]//p' "/proc/$inner/status")" = 1 ] || fail "no namespace"
    "$tool" stats "$inner" >"$work/out" || fail "stats of a process in a container"
    grep -q '^libc ' "$work/out" || fail "$(cat "$work/out")"
    # The shell that started the process publishes no page.
    refuses "publishes no statistics" $process
    end
fi

echo "== an untrusted process"
# publish PROGRAM: runs it in Python, with helper functions, beside a file that looks like a page.
publish()
{
    /usr/bin/python3 -c "
import os, struct
file = os.memfd_create('memkind-stats')
def page(sequence, directory):
    numbers = struct.pack('IiI4x10Q', 1, os.getpid(), sequence, *range(10))
    return numbers + directory.ljust(1024, b'y')
def ready():
    open('$work/ready', 'w').close()
$1" &
    process=$!
    timeout 60 cat "$work/ready" || fail "the program does not begin"
}

publish "
os.pwrite(file, page(2, b'a\\x1b[31mb\\x7f\\xc2\\x9bc\\xc3\\xa4'), 0)
ready()
open('$work/end').close()"
"$tool" stats $process >"$work/out" || fail "stats of strange text"
grep -qF 'a?[31mb???c'$'\303\244''yyy' "$work/out" || fail "strange text: $(cat -v "$work/out")"
[ "$(head -n 2 "$work/out" | tail -n 1 | tr -cd y | wc -c)" -lt 1024 ] || fail "text without an end"
[ "$(wc -l <"$work/out")" = 3 ] || fail "text of several lines: $(cat -v "$work/out")"
end
publish "
os.pwrite(file, page(2, b'a')[:-1], 0)
ready()
open('$work/end').close()"
refuses "publishes no statistics" $process
end

# The numbers never settle, and the file disappears and reappears.
publish "
ready()
while True:
    os.pwrite(file, page(3, b'a'), 0)
    os.ftruncate(file, 0)"
for ((i = 0; i < 20; i++)); do
    refuses "process $process " $process
done
kill $process
wait $process || true

if [ "$(id -u)" = 0 ] && mkfifo '/memfd:memkind-stats' 2>/dev/null; then
    # Opening a FIFO for reading waits for a writer.
    trap 'kill -9 $process 2>/dev/null || true; rm -rf "$work" "/memfd:memkind-stats"' EXIT
    publish "
fifo = os.open('/memfd:memkind-stats', os.O_RDONLY | os.O_NONBLOCK)
os.close(file)
os.unlink('/memfd:memkind-stats')
ready()
open('$work/end').close()"
    status=0
    timeout 30 "$tool" stats $process 2>"$work/err" || status=$?
    end
    [ $status = 125 ] || fail "stats of a FIFO exits with $status"
    grep -q "publishes no statistics" "$work/err" || fail "a FIFO: $(cat "$work/err")"
fi

echo "== invalid use"
refuses "one process id is needed"
refuses "one process id is needed" 1 2
refuses "is not a process id" x
refuses "is not a process id" -- -1
"$tool" stats --help | grep -q -- --publish || fail help
