#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: `exec 4>file` in a shell under the preload library: the text is written into the heap, or
# the error is "busy".

. "$(dirname "$0")/../preload/lib.sh"

descriptors=$STRANGERS/descriptors

# run CASE [NAME=VALUE...]: expects the case to succeed under the library.
run()
{
    local name=$1 status=0
    shift
    echo "== $name $*"
    preloaded "$@" timeout 100 "$descriptors" "$name" </dev/null >/dev/null 2>"$work/err" ||
        status=$?
    [ $status = 77 ] || [ $status = 0 ] || fail "$name: $(grep -v "^a line" "$work/err")"
}

# -- Streams that are closed, all or some ---------------------------------------------------------

run streams
echo "== streams closed"
preloaded "$descriptors" streams 0<&- 1>&- 2>"$work/err" ||
    fail "0 and 1: $(grep -v "^a line" "$work/err")"
preloaded "$descriptors" streams 1>&- 2>"$work/err" </dev/null ||
    fail "1: $(grep -v "^a line" "$work/err")"
preloaded "$descriptors" streams 0<&- 1>&- 2>&- || fail "0 to 2"
preloaded "$descriptors" streams 1>&- 2>&- </dev/null || fail "1 and 2"
preloaded MEMKIND_PRELOAD_STATS="$work/stats" "$descriptors" streams 0<&- 1>&- 2>&- || fail "0 to 2"
grep -q '"process"' "$work/stats" || fail "no statistics"
[ "$(grep -c "a line" "$work/stats" || :)" = 0 ] || fail "text in the statistics"

# -- Numbers that a program wants ------------------------------------------------------------------

for setting in MEMKIND_PRELOAD_PUBLISH=0 MEMKIND_PRELOAD_PUBLISH=1 MEMKIND_PMEM_FORK=share; do
    run replace $setting
    run close-all $setting
done
run close-unseen
run borrowed MEMKIND_PRELOAD_PUBLISH=1
run no-number
run old-kernel MEMKIND_PRELOAD_PUBLISH=1

echo "== a limit of few descriptors: all are the program's, and libc serves the requests"
(
    ulimit -Sn 9
    LD_PRELOAD=$library MEMKIND_PRELOAD_DIR=$work/pmem exec bash -c \
        'for i in 3 4 5 6 7 8; do eval "exec $i</dev/null" || exit 1; done'
) 2>"$work/err" || fail "few descriptors: $(cat "$work/err")"
grep -q "(Too many open files); libc's malloc is used$" "$work/err" ||
    fail "few descriptors: it says $(cat "$work/err")"

# shell SHELL: redirections and children. The heap's file has each number from 3 to 9 in turn, or
# none.
shell()
{
    command -v "$1" >/dev/null || return 0
    echo "== $1"
    # shellcheck disable=SC2016
    preloaded "$@" -c '
        big=$(seq 1 20000)
        for i in 3 4 5 6 7 8 9; do
            eval "exec $i>\"$0.$i\""
        done
        for i in 3 4 5 6 7 8 9; do
            eval "echo text $i >&$i"
            eval "(echo child $i; ls / >/dev/null) >&$i"
        done
        exec 3>&- 4>&- 5>&-
        [ "$big" = "$(seq 1 20000)" ]
    ' "$work/text" || fail "$1: status $?"
    for i in 3 4 5 6 7 8 9; do
        [ "$(cat "$work/text.$i")" = "text $i"$'\n'"child $i" ] || fail "$1: $(cat "$work/text.$i")"
    done
}

shell dash
shell bash

if command -v python3 >/dev/null; then
    echo "== python3"
    preloaded python3 - "$work/text" <<'END' || fail "python3: status $?"
import os, subprocess, sys
data = [bytes([i % 251]) * 4000 for i in range(2000)]
heap = []
for fd in os.listdir("/proc/self/fd"):
    try:
        if os.readlink("/proc/self/fd/" + fd).startswith(os.environ["MEMKIND_PRELOAD_DIR"]):
            heap.append(int(fd))
    except OSError:
        pass
for number in [3, 4, 5, 9] + heap:
    file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, number)
    os.write(number, b"text")
    data += [bytes([i % 251]) * 4000 for i in range(2000)]
    assert os.pread(number, 100, 0) == b"text"
    assert subprocess.run(["true"]).returncode == 0
    if file != number:
        os.close(file)
    os.close(number)
assert all(block == block[:1] * 4000 for block in data)
assert heap
END
fi

# -- Other libraries that stand in for the same functions ------------------------------------------

cat >"$work/wrapper.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static int closed, replaced;

int close(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
    closed++;
    return next(fd);
}

int dup2(int fd, int wanted)
{
    int (*next)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "dup2");
    replaced++;
    return next(fd, wanted);
}

__attribute__((destructor)) static void tell(void)
{
    if (replaced == 0)
        return;
    FILE *file = fopen(getenv("WRAPPER"), "w");
    fprintf(file, "%d %d\n", closed >= 10, replaced);
    fclose(file);
}
END
"$CC" -shared -fPIC -o "$work/wrapper.so" "$work/wrapper.c" -ldl
for libraries in "$work/wrapper.so:$library" "$library:$work/wrapper.so"; do
    echo "== wrapped $libraries"
    run wrapped LD_PRELOAD="$libraries" WRAPPER="$work/counts"
    [ "$(cat "$work/counts")" = "1 20" ] || fail "counted: $(cat "$work/counts")"
done
