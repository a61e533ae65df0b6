#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind-pmem run: options, exit status, and the environment of the program that it starts.
#
# Usage: run.sh MEMKIND-PMEM

. "$(dirname "$0")/../preload/lib.sh"

tool=$1

# run STATUS ARGUMENT...: runs the command and expects the exit status; output in $work/out and
# $work/err.
run()
{
    local wanted=$1 status=0
    shift
    "$tool" run "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$wanted" ] || { cat "$work/out" "$work/err"; fail "run $* exits with $status"; }
}

# complains TEXT: expects TEXT on stderr, in one line.
complains()
{
    grep -qF -- "$1" "$work/err" || fail "it does not say: $1: $(cat "$work/err")"
}

echo "== options become variables"
run 0 --dir "$work/pmem" --size 1G --min 10 --max 2M --ratio 1:4 --fallback fail \
    --stats "$work/stats" --publish -- env
for setting in "DIR=$work/pmem" SIZE=1G MIN=10 MAX=2M RATIO=1:4 FALLBACK=fail "STATS=$work/stats" \
    STRICT=1 PUBLISH=1; do
    grep -qxF "MEMKIND_PRELOAD_$setting" "$work/out" || fail "no $setting: $(cat "$work/out")"
done
[ "$(readlink -f "$(sed -n 's/^LD_PRELOAD=//p' "$work/out")")" = "$library" ] ||
    fail "$(cat "$work/out")"
grep -q '"program": "env"' "$work/stats" || fail "the program did not run on the library"
[ "$(number "$work/stats" max_size)" = $((1 << 30)) ] || fail "$(cat "$work/stats")"

echo "== other preloaded libraries and settings are kept"
export LD_PRELOAD=/nonexistent.so
run 0 --dir "$work/pmem" env
grep -qE '^LD_PRELOAD=.*libmemkind-preload.so:/nonexistent.so$' "$work/out" ||
    fail "$(cat "$work/out")"
unset LD_PRELOAD
MEMKIND_PRELOAD_DIR=$work/pmem run 0 env
grep -qxF "MEMKIND_PRELOAD_DIR=$work/pmem" "$work/out" || fail "$(cat "$work/out")"

echo "== nodes and kinds in place of a directory"
run 0 --nodes all --policy interleave --min 10 env
grep -qxF MEMKIND_PRELOAD_NODES=all "$work/out" &&
    grep -qxF MEMKIND_PRELOAD_POLICY=interleave "$work/out" ||
    fail "$(cat "$work/out")"
run 0 --kind regular env
grep -qxF MEMKIND_PRELOAD_KIND=regular "$work/out" || fail "$(cat "$work/out")"
# An option for one place overrides what the environment says of another.
MEMKIND_PRELOAD_DIR=$work/pmem MEMKIND_PRELOAD_KIND=hbw run 0 --nodes all env
! grep -E '^MEMKIND_PRELOAD_(DIR|KIND)=' "$work/out" || fail "it is not forgotten"
MEMKIND_PRELOAD_NODES=x run 0 --dir "$work/pmem" env
! grep MEMKIND_PRELOAD_NODES= "$work/out" || fail "it is not forgotten"
MEMKIND_PRELOAD_NODES=all run 0 env
run 125 --nodes all --kind regular true
complains "more than one is set"
run 125 --policy bind --dir "$work/pmem" true
complains "MEMKIND_PRELOAD_POLICY needs MEMKIND_PRELOAD_NODES"

echo "== relative names, and programs that go elsewhere"
mkdir "$work/other" "$work/%p"
cd "$work"
run 0 --dir pmem --stats stats.%p -- sh -c 'cd other && env && sh -c "exit 0"'
grep -qxF "MEMKIND_PRELOAD_DIR=$work/pmem" "$work/out" || fail "$(cat "$work/out")"
[ -z "$(ls -A other)" ] || fail "written to other: $(ls -A other)"
[ "$(find . -name 'stats.*' | wc -l)" -ge 2 ] || fail "too few files of numbers: $(ls)"
MEMKIND_PRELOAD_DIR=pmem MEMKIND_PRELOAD_STATS=own run 0 -- sh -c 'cd other && env'
grep -qxF "MEMKIND_PRELOAD_STATS=$work/own" "$work/out" || fail "$(cat "$work/out")"
run 125 --dir nonexistent -- true
complains "memkind-pmem: the directory nonexistent cannot be used: No such file"
cd "$work/%p"
run 125 --dir ../pmem --stats stats -- true
complains "would become the process id"
run 0 --dir ../pmem --stats "$work/stats" -- true
mkdir "$work/gone"
cd "$work/gone"
rmdir "$work/gone"
run 125 --dir "$work/pmem" --stats stats -- true
complains "the file stats cannot be used: there is no working directory (No such file"
cd "$OLDPWD"

echo "== exit status"
run 7 --dir "$work/pmem" -- sh -c 'exit 7'
run 127 --dir "$work/pmem" -- "$work/nonexistent"
complains "cannot be run: No such file"
run 126 --dir "$work/pmem" -- "$work/pmem"
complains "cannot be run: Permission denied"
run 125 -- true
complains "the heap has no place; name a directory"
run 125 --dir "$work/pmem"
complains "a command to run is missing"
run 125 --dir /nonexistent -- true
complains "MEMKIND_PRELOAD_DIR=/nonexistent (No such file"
run 125 --dir "$work/pmem" --size 1X -- true
complains "MEMKIND_PRELOAD_SIZE=1X is not a size such as"
run 125 --nonsense -- true
complains 'run --help'
complains "memkind-pmem run: unrecognized option '--nonsense'"
run 0 --help
grep -q -- '--ratio A:B' "$work/out" || fail "$(cat "$work/out")"

echo "== beside no library"
cp "$tool" "$work/memkind-pmem"
LD_LIBRARY_PATH=$(dirname "$(ldd "$tool" | awk '/libmemkind/ { print $3 }')")
export LD_LIBRARY_PATH
tool=$work/memkind-pmem
run 125 --dir "$work/pmem" -- true
complains "install it there"
mkdir "$work/with space"
cp "$work/memkind-pmem" "$library" "$work/with space"
tool="$work/with space/memkind-pmem"
run 125 --dir "$work/pmem" -- true
complains "space or a colon"
