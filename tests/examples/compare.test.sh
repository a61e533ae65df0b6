#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The comparison of libc's malloc and a heap in a file: its output, what it refuses, what it leaves
# behind; and the options of tests/examples/run: BINARY

set -eu

compare=$1
run=$(dirname "$0")/run
memory=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$memory" ] || memory=/tmp
work=$(mktemp -d)
dir=$(mktemp -d "$memory/compare-test.XXXXXX")
trap 'rm -rf "$work" "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$work"

fail() {
    echo "$1" >&2
    exit 1
}

# expect STATUS COMMAND...: runs the command and expects the status; output in out and err.
expect() {
    wanted=$1
    shift
    status=0
    "$@" >out 2>err || status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: status $status instead of $wanted: $(cat out err)"
}

# complains TEXT
complains() {
    grep -qF -- "$1" err || fail "it does not say \"$1\": $(cat err)"
}

# column TITLE N: prints the Nth number of a row of the table.
column() {
    sed -n "s/^$1  *//p" out | tr -s ' ' '\n' | grep -E '^[0-9.]+$' | sed -n "$2p"
}

# A small job: 16 MiB of values.
expect 0 "$compare" --dir "$dir" --size 16 --requests 20000 --svg drawing.svg
cat out
grep -q "the file is in $dir\.\$" out || fail "the directory is not named"
grep -q -- "--dir DIR" out || fail "it does not say how to name another directory"
for title in "time to fill" "time to serve" "requests a second" "DRAM" "space in the file" \
    "DRAM when emptied" "file when emptied"; do
    [ -n "$(column "$title" 2)" ] || fail "no two numbers for $title"
done
[ "$(column "requests a second" 1)" -gt 0 ] && [ "$(column "requests a second" 2)" -gt 0 ] ||
    fail "no requests"
# Values are where they should be.
[ "$(column DRAM 1)" -ge 16 ] || fail "libc's values are not in DRAM"
[ "$(column "space in the file" 1)" -eq 0 ] || fail "libc has a file"
[ "$(column "space in the file" 2)" -ge 16 ] || fail "the values are not in the file"
[ "$(column DRAM 2)" -lt "$(column DRAM 1)" ] || fail "the values are in DRAM as well"
[ "$(column "file when emptied" 2)" -eq 0 ] || fail "file space does not come back"
[ -z "$(ls -A "$dir")" ] || fail "left behind: $(ls -A "$dir")"
# A line for each quarter of each step, and no control characters of terminals.
[ "$(wc -l <err)" -eq 16 ] || fail "not four lines for each step: $(cat err)"
! grep -q "$(printf '\033')" err || fail "controls, and no terminal"
grep -q '^<svg ' drawing.svg && grep -q '^</svg>' drawing.svg || fail "no drawing"
[ "$(grep -c '^<text ' drawing.svg)" -eq 24 ] || fail "not all of the table is drawn"
if command -v python3 >/dev/null; then
    python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' drawing.svg ||
        fail "the drawing is no XML"
fi

# Defaults: the directory is chosen by the program. The size is given, so that the test is quick.
expect 0 "$compare" --size 16 --requests 1000
grep -q "the file is in /" out || fail "it chose no directory"

# On a terminal, the progress is one line that is rewritten.
if command -v script >/dev/null; then
    script -qec "'$compare' --dir '$dir' --size 16 --requests 1000" /dev/null >out </dev/null
    grep -q "$(printf '\r\033')\[Kheap in the file: serving, 100 %" out ||
        fail "no progress on a terminal"
fi

# Invalid use.
expect 0 "$compare" --help
grep -q '^usage: ' out || fail "no help"
for wrong in --none "--size 15" "--size x" "--size -1" "--size" "--requests 0" "--requests 1e3" \
    more; do
    # Words of arguments. shellcheck disable=SC2086
    expect 2 "$compare" $wrong
    complains 'Try "compare --help".'
done
expect 1 "$compare" --size 16 --dir "$dir/none"
complains "$dir/none: No such file"
expect 1 "$compare" --size 16 --dir "$compare"
complains "is not a directory"
expect 1 "$compare" --size 1048576 --dir "$dir"
complains "MiB free, and --size 1048576 needs"
expect 1 "$compare" --size 16 --dir "$dir" --svg "$dir/none/drawing.svg"
complains "none/drawing.svg cannot be written: No such file"
expect 1 "$compare" --size 16 --dir "$dir" --svg "$dir"
complains "cannot be written: Is a directory"
if [ -w /dev/full ]; then
    expect 1 "$compare" --size 16 --requests 1000 --dir "$dir" --svg /dev/full
    complains "/dev/full cannot be written: No space left"
    [ -c /dev/full ] || fail "it removes a device"
    if "$compare" --size 16 --requests 1000 --dir "$dir" >/dev/full 2>err; then
        fail "a result that cannot be written is a success"
    fi
fi

# Succeeds if the process has ended, or is a zombie.
gone() {
    [ ! -d "/proc/$1" ] || grep -q '^State:.*[ZX]' "/proc/$1/status" 2>/dev/null
}

# await COMMAND...: waits a minute at most until the command succeeds.
await() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || return 1
        sleep 0.1
    done
}

begins_file() {
    grep -qs '^heap in the file: ' err || gone "$process"
}

# Shells start background processes with SIGINT ignored. This one must be killed by it.
python=$(command -v python3 || true)
with_signals='import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])'

# interrupt SIGNAL REQUESTS: sends the signal during the second job. False: the job ended first.
interrupt() {
    rm -f drawing.svg out err
    ${python:+"$python" -c "$with_signals"} "$compare" --size 32 --requests "$2" --dir "$dir" \
        --svg drawing.svg >out 2>err &
    process=$!
    await begins_file || fail "the second job does not begin: $(cat err)"
    child=$(tr -d ' ' <"/proc/$process/task/$process/children") 2>/dev/null || child=
    kill "-$1" "$process" 2>/dev/null || true
    status=0
    wait "$process" || status=$?
    [ "$status" -ne 0 ] || return 1
    [ "$status" -gt 128 ] || fail "SIG$1: status $status: $(cat err)"
    [ -z "$child" ] || await gone "$child" || fail "SIG$1: the job goes on"
    [ -z "$(ls -A "$dir")" ] || fail "SIG$1 leaves $(ls -A "$dir")"
    [ ! -e drawing.svg ] || fail "SIG$1 leaves a drawing"
}

# The child ends with its parent, and neither leaves anything behind.
for signal in INT TERM KILL; do
    [ "$signal" != INT ] || [ -n "$python" ] || continue
    requests=1000000
    # The job was done before the signal came: repeat it with more requests.
    until interrupt "$signal" "$requests"; do
        requests=$((requests * 4))
        [ "$requests" -lt 1000000000 ] || fail "SIG$signal always comes too late"
    done
done

# The script refuses invalid options before it installs anything.
[ -f "$run" ] || exit 0
expect 0 sh "$run" --help
grep -q '^usage: tests/examples/run' out || fail "no help of run"
expect 2 sh "$run" --none
complains "there is no option --none"
expect 2 sh "$run" --dir
complains "--dir needs a value"
expect 2 sh "$run" /mnt/pmem
