#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: under a filter of system calls, a program had no heap in the file, or was killed (man of
# man-db).

. "$(dirname "$0")/../preload/lib.sh"

refuse=$STRANGERS/refuse_calls
ulimit -c 0
seq 200000 | sort -R >"$work/in"
sort -n "$work/in" >"$work/wanted"

status=0
"$refuse" EPERM mbind true || status=$?
[ $status != 77 ] || skip "no filters of system calls"

echo "== calls that are refused"
for answer in EPERM ENOSYS; do
    for call in fallocate fallocate,madvise membarrier mbind,get_mempolicy memfd_create madvise \
        getrandom statx mincore sched_getaffinity fstatfs close_range prlimit64; do
        # shellcheck disable=SC2016 # the inner shell's
        timeout 120 "$refuse" $answer $call "$MEMKIND_TOOL" run --dir "$work/pmem" \
            --stats "$work/stats" -- sh -c 'sort -n "$1" | cat >"$2"' - "$work/in" "$work/out" \
            2>"$work/err" ||
            fail "$answer at $call: $(cat "$work/err")"
        cmp "$work/wanted" "$work/out" || fail "$answer at $call: another result"
        [ ! -s "$work/err" ] || fail "$answer at $call: it says so"
        [ "$(number "$work/stats" file_space_peak)" -gt 0 ] ||
            fail "$answer at $call: nothing is in the file"
    done
done

echo "== what a heap would have there"
"$refuse" EPERM fallocate "$MEMKIND_TOOL" check --json "$work/pmem" >"$work/out" || [ $? = 1 ]
grep -q '"hole_punching": true' "$work/out" && ! grep -q 'not measured' "$work/out" ||
    fail "$(cat "$work/out")"

echo "== calls that kill"
# The filter applies to what the program starts, which is then without the library.
"$MEMKIND_TOOL" run --dir "$work/pmem" -- "$refuse" kill fallocate,membarrier,mbind \
    sort -n "$work/in" >"$work/out" 2>"$work/err" || fail "killed: $? $(cat "$work/err")"
cmp "$work/wanted" "$work/out" || fail "another result of a program under a filter"
for answer in kill EPERM; do
    LD_PRELOAD=$work/other.so:$library MEMKIND_PRELOAD_DIR=$work/pmem "$refuse" $answer membarrier \
        env 2>/dev/null >"$work/out.$answer" || fail "env under a filter"
done
grep -qx "LD_PRELOAD=$work/other.so" "$work/out.kill" || fail "$(grep LD_PRELOAD "$work/out.kill")"
grep -qx "LD_PRELOAD=$work/other.so:$library" "$work/out.EPERM" || fail "a filter that only refuses"
# A filter from elsewhere.
status=0
"$refuse" kill fallocate,membarrier,mbind "$MEMKIND_TOOL" run --dir "$work/pmem" \
    sort -n "$work/in" >/dev/null 2>&1 || status=$?
[ $status = 159 ] || fail "nothing is killed by the filter: $status"

echo "== an excluded program starts others without the library"
LD_PRELOAD=$work/other.so:$library:$work/another.so MEMKIND_PRELOAD_DIR=$work/pmem \
    MEMKIND_PRELOAD_EXCEPT=env env 2>/dev/null >"$work/out"
grep -qx "LD_PRELOAD=$work/other.so:$work/another.so" "$work/out" ||
    fail "$(grep LD_PRELOAD "$work/out")"
MEMKIND_PRELOAD_EXCEPT=env preloaded env >"$work/out"
! grep LD_PRELOAD= "$work/out" || fail "the library is still there"
MEMKIND_PRELOAD_EXCEPT=man,env,ssh preloaded env >"$work/out"
! grep LD_PRELOAD= "$work/out" || fail "one of several names"
MEMKIND_PRELOAD_EXCEPT=en,env2,, preloaded env >"$work/out"
grep -qx "LD_PRELOAD=$library" "$work/out" || fail "other names"
# Through a symbolic link, as the alternatives system makes them.
ln -s "$(type -P env)" "$work/viewer"
MEMKIND_PRELOAD_EXCEPT=viewer preloaded "$work/viewer" >"$work/out"
! grep LD_PRELOAD= "$work/out" || fail "the name of a link"
MEMKIND_PRELOAD_EXCEPT=$(basename "$(readlink -f "$work/viewer")") preloaded "$work/viewer" \
    >"$work/out"
! grep LD_PRELOAD= "$work/out" || fail "the name of the file"
