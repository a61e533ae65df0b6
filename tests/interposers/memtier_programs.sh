#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Unchanged programs on libmemtier behave as without it.

. "$(dirname "$0")/lib.sh"

dram=KIND:DRAM,RATIO:1
file=KIND:FS_DAX,PATH:$pmem,RATIO:4
ran=0

# same COMMAND...: expects the output of libc's malloc with each setting.
same()
{
    "$@" >"$work/expected"
    for tiers in "$dram;POLICY:STATIC_RATIO" "$file;POLICY:STATIC_RATIO" \
        "$dram;$file;POLICY:STATIC_RATIO" "$dram;$file;POLICY:DYNAMIC_THRESHOLD"; do
        tiered "$tiers" MEMKIND_PRELOAD_STATS="$work/%p.stats" "$@" >"$work/output" 2>"$work/err" ||
            fail "$1: $(cat "$work/err")"
        [ ! -s "$work/err" ] || fail "$1 says: $(cat "$work/err")"
        cmp "$work/expected" "$work/output" || fail "$1 prints something else on $tiers"
        ! grep -L '"kind": "\(memkind_default\|pmem\)"' "$work"/*.stats | grep . ||
            fail "$1 was not served"
        rm "$work"/*.stats
    done
    ran=$((ran + 1))
}

same bash \
    -c 'for i in $(seq 200); do a[i]=$(printf %0200d $i); done 2>&1
        echo ${#a[@]} ${a[*]: -3}; (echo child; a=()) | cat'
for program in python3 sqlite3; do
    command -v $program >/dev/null || echo "left out: no $program"
done
if command -v python3 >/dev/null; then
    PYTHONMALLOC=malloc same python3 -c '
import os, threading
found = {}
def fill(n):
    for i in range(20000):
        found[n, i] = [str(i)] * (i % 7)
threads = [threading.Thread(target=fill, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(sum(len(v) for v in found.values()), flush=True)
if os.fork() == 0:
    found.clear()
    print("child", flush=True)
    os._exit(0)
os.wait()
print(len(found), len(bytearray(50 << 20)))'
fi
if command -v sqlite3 >/dev/null; then
    same sqlite3 :memory: "create table t (a integer, b text);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000)
            insert into t select i, hex(i * i) from n;
        create index j on t (b);
        select count(*), sum(length(b)), min(b), max(b) from t;
        delete from t where a % 3 = 0; vacuum; select count(*) from t;"
fi
same sort -R --random-source=/bin/sh /bin/sh -S 10M
[ -z "$(ls -A "$pmem")" ] || fail "left behind: $(ls -A "$pmem")"
echo "$ran programs"
