#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Failing calls of the preload library: its message, and what it leaves behind.
#
# Usage: failing.sh FAILING ODD, where FAILING is a library that is preloaded first and makes the
# call fail that the variable FAILING names.

. "$(dirname "$0")/lib.sh"

failing=$1
odd=$2
EXIT_STRICT=125

# failing NAME COMMAND...: runs the command with one failing call and with published numbers.
failing()
{
    env FAILING="$1" LD_PRELOAD="$failing:$library" MEMKIND_PRELOAD_DIR="$work/pmem" \
        MEMKIND_PRELOAD_PUBLISH=1 MEMKIND_PRELOAD_STRICT="${strict:-0}" "${@:2}"
}

# check NAME MESSAGE: expects the one line, and the end of the process under STRICT.
check()
{
    local status=0
    echo "== $1"
    failing "$1" cat /proc/self/maps >"$work/maps" 2>"$work/err" || fail "does not go on"
    [ "$(cat "$work/err")" = "memkind-preload: $2" ] || fail "it says: $(cat "$work/err")"
    failing "$1" ls -l /proc/self/fd >"$work/fds" 2>"$work/err" || fail "does not go on"
    grep -h memfd:memkind "$work/maps" "$work/fds" && fail "its memory file is left behind"
    strict=1 failing "$1" true 2>"$work/err" || status=$?
    [ "$status" = $EXIT_STRICT ] || fail "under STRICT the status is $status"
    grep -q "^memkind-preload: " "$work/err" || fail "under STRICT it says: $(cat "$work/err")"
}

# The program has its heap, and publishes no numbers.
unpublished()
{
    check "$1" "numbers cannot be published ($2)"
    grep -q "$work/pmem" "$work/maps" || fail "there is no heap"
}

failing nothing cat /proc/self/maps >"$work/maps"
failing nothing ls -l /proc/self/fd >"$work/fds"
grep -q "memfd:memkind" "$work/maps" && grep -q "memfd:memkind" "$work/fds" || fail "no memory file"
unpublished memfd_create "Too many open files"
unpublished ftruncate "No space left on device"
unpublished mmap "Cannot allocate memory"
unpublished pthread_create "Resource temporarily unavailable"

# Without handlers, a child would use the kind unprepared: no kind is created.
check pthread_atfork "no memory; libc's malloc is used"
grep -h "$work/pmem" "$work/maps" "$work/fds" && fail "the heap is left behind"
[ -z "$(ls -A "$work/pmem")" ] || fail "a file is left behind"

# Without a view of its caches, or where libc's own calls arrive like others, a thread has the same
# blocks.
for name in layout mprotect; do
    for case in libc-calls family resize threads fork-libc; do
        echo "== $name: $case"
        strict=1 failing $name MEMKIND_PRELOAD_PUBLISH=0 "$odd" $case 2>"$work/err" ||
            fail "$name: $case: $(cat "$work/err")"
    done
done
