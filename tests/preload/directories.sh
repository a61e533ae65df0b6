#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A program's heap in several directories: which one a thread takes, what happens when one is full,
# and forks. The guest tests directories that are near to certain processors.
#
# Usage: directories.sh ODD DIRECTORIES MEMKIND-PMEM

. "$(dirname "$0")/lib.sh"

odd=$1
program=$2
tool=$3
mkdir "$work/a" "$work/b" "$work/c" "$work/with:colon"
both=$work/a:$work/b

# heap [NAME=VALUE...] COMMAND...: expects the command's heap in the library's kinds.
heap()
{
    echo "== $*"
    env LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$both" MEMKIND_PRELOAD_STRICT=1 "$@" \
        2>"$work/err" ||
        { cat "$work/err"; fail "$*"; }
    [ ! -s "$work/err" ] || fail "it says: $(cat "$work/err")"
}

# wrong PATTERN DIRECTORIES: expects one line, and no kind.
wrong()
{
    local status=0
    echo "== $2"
    env LD_PRELOAD="$library" MEMKIND_PRELOAD_STRICT=1 MEMKIND_PRELOAD_DIR="$2" true 2>"$work/err" \
        || status=$?
    [ $status = 125 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q "$1" "$work/err" ||
        fail "status $status: $(cat "$work/err")"
}

echo "== processors take turns, where no directory is nearer"
if [ "$(taskset -p $$ | sed 's/.*: //')" != 1 ] && taskset -c 0 true &&
    taskset -c 1 true 2>/dev/null; then
    [ "$(heap taskset -c 0 "$program" where | tail -n 1)" = "$work/a" ] ||
        fail "processor 0 does not take the first"
    [ "$(heap taskset -c 1 "$program" where | tail -n 1)" = "$work/b" ] ||
        fail "processor 1 does not take the second"
else
    echo "left out: needs two processors"
fi

heap MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_FALLBACK=fail "$program" full
heap MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_RATIO=1:4 "$odd" threads
heap MEMKIND_PRELOAD_MIN=1000 MEMKIND_PRELOAD_MAX=100000 "$odd" sides
for name in before exit family aligned threads descriptors fork fork-libc fork-threads exec kind; do
    heap "$odd" $name >/dev/null
done
heap MEMKIND_PRELOAD_PUBLISH=1 "$odd" threads
heap MEMKIND_PRELOAD_DIR="$both:$work/c" "$odd" threads
heap MEMKIND_PRELOAD_DIR="$work/with:colon" "$program" where | grep -qx "$work/with:colon" ||
    fail "a colon in a name"

echo "== numbers of each"
heap MEMKIND_PRELOAD_SIZE=32M MEMKIND_PRELOAD_STATS="$work/stats" "$odd" threads
[ "$(grep -c '"kind": "pmem"' "$work/stats")" = 2 ] &&
    grep -q "\"directory\": \"$work/a\"" "$work/stats" &&
    grep -q "\"directory\": \"$work/b\"" "$work/stats" || fail "$(cat "$work/stats")"

if command -v python3 >/dev/null && taskset -c 0 true && taskset -c 1 true 2>/dev/null; then
    echo "== mallctl(3) covers all directories"
    heap PYTHONMALLOC=malloc python3 -c '
import ctypes, os, threading
kept = []
def fill(cpu):
    os.sched_setaffinity(0, {cpu})
    kept.append([bytes(1000) for i in range(20000)])
for cpu in 0, 1:
    thread = threading.Thread(target=fill, args=(cpu,))
    thread.start()
    thread.join()
mallctl = ctypes.CDLL(None).mallctl
epoch, value = ctypes.c_uint64(1), ctypes.c_uint64()
size = ctypes.c_size_t(8)
mallctl(b"epoch", None, None, ctypes.byref(epoch), ctypes.c_size_t(8))
assert mallctl(b"stats.arenas.0.small.allocated", ctypes.byref(value), ctypes.byref(size), None,
               ctypes.c_size_t(0)) == 0
print(value.value)
assert value.value > 2 * 20000 * 1000'
fi

wrong "no heap in MEMKIND_PRELOAD_DIR=/nonexistent (No such file" "$work/a:/nonexistent"
for list in "$work/a:" ":$work/a" "$work/a::$work/b" "$(printf "$work/a:%.0s" {1..17})$work/a"; do
    wrong 'is not a list of up to 16 directories' "$list"
done

echo "== the first directory, if the second one cannot be used"
# shellcheck disable=SC2012 # names of open files
LD_PRELOAD=$library MEMKIND_PRELOAD_DIR=$work/a:/nonexistent ls -l /proc/self/fd 2>"$work/err" \
    >"$work/out"
grep -q "libc's malloc is used" "$work/err" && ! grep "$work/a" "$work/out" ||
    fail "$(cat "$work/err" "$work/out")"

echo "== memkind-pmem run"
cd "$work"
"$tool" run --dir a --dir "$work/b" --size 16M --fallback fail -- sh -c 'cd / && exec "$1" full' - \
    "$program" ||
    fail "the tool"
"$tool" run --dir a:b -- env | grep -qx "MEMKIND_PRELOAD_DIR=$work/a:$work/b" ||
    fail "names with a colon between"
MEMKIND_PRELOAD_DIR=$work/c "$tool" run --dir a --dir b -- env |
    grep -qx "MEMKIND_PRELOAD_DIR=$work/a:$work/b" ||
    fail "the environment's directory stays"
! "$tool" run --dir a --dir nonexistent -- true 2>"$work/err" ||
    fail "a directory that is not there"
grep -q '^memkind-pmem: the directory nonexistent cannot be used: No such file' "$work/err" ||
    fail "$(cat "$work/err")"
cd /

for folder in a b c with:colon; do
    [ -z "$(ls -A "$work/$folder")" ] || fail "left behind: $(ls -A "$work/$folder")"
done
echo passed
