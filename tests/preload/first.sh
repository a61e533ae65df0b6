#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The heap of a program is made at the first request. Usage: first.sh FIRST

. "$(dirname "$0")/lib.sh"

first=$1
EXIT_STRICT=125
chmod 777 "$work/pmem" # for root, too

for name in none malloc calloc realloc aligned fork environment landlock; do
    echo "== $name"
    preloaded "$first" $name 2>"$work/err" || { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "$name prints: $(cat "$work/err")"
done
for round in 1 2 3 4 5; do
    echo "== threads, $round"
    preloaded "$first" threads || fail threads
done

for name in after large children many_threads; do
    echo "== $name"
    preloaded MEMKIND_PRELOAD_AFTER=64K "$first" $name 2>"$work/err" ||
        { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "$name prints: $(cat "$work/err")"
done
preloaded MEMKIND_PRELOAD_AFTER=64K MEMKIND_PRELOAD_STATS="$work/stats" "$first" early ||
    fail "a heap that cannot wait"

echo "== variables of the library, which apply to a heap from the start"
for setting in MEMKIND_PMEM_FORK=copy MEMKIND_PMEM_THAW=manual MEMKIND_IDLE_THREAD=0 \
    MEMKIND_ARENA_NUM_PER_KIND=1 MEMKIND_HOG_MEMORY=1 MEMKIND_BACKGROUND_THREAD_LIMIT=1; do
    preloaded $setting "$first" early || fail "$setting"
done

mkdir "$work/own" "$work/gone"
chmod 755 "$work/own"
chmod 777 "$work/gone"
if [ "$(id -u)" = 0 ]; then
    echo "== another root directory"
    preloaded "$first" chroot || fail chroot
    preloaded MEMKIND_PRELOAD_AFTER=64K "$first" chroot || fail "chroot with MEMKIND_PRELOAD_AFTER"
    echo "== a directory of root's, who may become another user"
    preloaded MEMKIND_PRELOAD_DIR="$work/own" "$first" early || fail "a directory of root's"
fi

echo "== a directory that is removed before"
LD_PRELOAD=$library MEMKIND_PRELOAD_DIR=$work/gone "$first" gone 2>"$work/err" ||
    { cat "$work/err"; fail gone; }
[ "$(wc -l <"$work/err")" = 1 ] &&
    grep -q "no heap in MEMKIND_PRELOAD_DIR=.*/gone (No such file.*; libc's malloc is used$" \
        "$work/err" || fail "it says: $(cat "$work/err")"
mkdir -m 777 "$work/gone"
status=0
preloaded MEMKIND_PRELOAD_DIR="$work/gone" "$first" gone 2>"$work/err" || status=$?
[ $status = $EXIT_STRICT ] || fail "under STRICT the status is $status: $(cat "$work/err")"
