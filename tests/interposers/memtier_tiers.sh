#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# libmemtier under test programs: the tier of each block, odd uses of malloc, forks, threads.
#
# Environment also: TIERS, ODD.

. "$(dirname "$0")/lib.sh"

dram=KIND:DRAM,RATIO:1
file=KIND:FS_DAX,PATH:$pmem,RATIO:4
dynamic="$dram;$file;POLICY:DYNAMIC_THRESHOLD"

quiet_tiered "$dram;$file;POLICY:STATIC_RATIO" "$TIERS" ratio 1 4
quiet_tiered "KIND:FS_DAX,PATH:$pmem,RATIO:1;KIND:DRAM,RATIO:3;POLICY:STATIC_RATIO" "$TIERS" ratio \
    3 1
quiet_tiered "$dynamic" env MEMKIND_MEM_THRESHOLDS=INIT_VAL:1K,MIN_VAL:1,MAX_VAL:10000 "$TIERS" \
    ratio 1 4
for size in 64 1000 70000; do
    MEMKIND_MEM_THRESHOLDS=INIT_VAL:$size,MIN_VAL:$size,MAX_VAL:$size quiet_tiered "$dynamic" \
        "$TIERS" threshold $size
done
quiet_tiered "KIND:FS_DAX,PATH:$pmem,PMEM_SIZE_LIMIT:16M,RATIO:1;POLICY:STATIC_RATIO" "$TIERS" full
if [ -e /sys/devices/system/node/node0/meminfo ]; then
    MEMKIND_DAX_KMEM_NODES=0 quiet_tiered "$dram;KIND:KMEM_DAX,RATIO:2;POLICY:STATIC_RATIO" \
        "$TIERS" ratio 1 2
fi

for tiers in "$dram;POLICY:STATIC_RATIO" "$file;POLICY:STATIC_RATIO" \
    "$dram;$file;POLICY:STATIC_RATIO" "$dynamic"; do
    for name in late names; do
        quiet_tiered "$tiers" "$TIERS" $name
    done
    for name in before exit family aligned threads dlopen descriptors fork fork-libc fork-threads \
        exec kind; do
        quiet_tiered "$tiers" "$ODD" $name
    done
done

echo "== the options of the preload library"
quiet_tiered "$dram;$file;POLICY:STATIC_RATIO" env MEMKIND_PRELOAD_STATS="$work/stats" "$TIERS" \
    ratio 1 4
grep -q '"kind": "memkind_default"' "$work/stats" && grep -q '"kind": "pmem"' "$work/stats" ||
    fail "the numbers are: $(cat "$work/stats")"
MEMKIND_PRELOAD_EXCEPT=$(basename "$ODD") quiet_tiered "$dram;POLICY:STATIC_RATIO" "$ODD" libc

[ -z "$(ls -A "$pmem")" ] || fail "left behind: $(ls -A "$pmem")"
