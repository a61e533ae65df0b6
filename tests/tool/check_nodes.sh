#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind-pmem check on memory nodes: a fake sysfs with two sockets, high bandwidth memory and
# memory of a DAX device. Usage: check_nodes.sh MEMKIND-PMEM

# shellcheck source=tests/support/own_mounts.bash
. "$(dirname "$0")/../support/own_mounts.bash"
# shellcheck source=tests/preload/lib.sh
. "$(dirname "$0")/../preload/lib.sh"

tool=$1
sysfs=$work/node
[ -d /sys/devices/system/node ] || skip "no sysfs with nodes"
unset MEMKIND_HBW_NODES MEMKIND_HBW_THRESHOLD
export MEMKIND_DAX_KMEM_NODES=3

# node NUMBER CPUS MIB FREE-MIB DISTANCES
node()
{
    mkdir -p "$sysfs/node$1"
    printf '%s\n' "$2" >"$sysfs/node$1/cpulist"
    printf 'Node %s MemTotal: %s kB\nNode %s MemFree: %s kB\nNode %s MemUsed: 1 kB\n' \
        "$1" $(($3 << 10)) "$1" $(($4 << 10)) "$1" >"$sysfs/node$1/meminfo"
    printf '%s\n' "$5" >"$sysfs/node$1/distance"
}

# speed NUMBER CLASS INITIATOR MBPS-READ MBPS-WRITE NS-READ NS-WRITE
speed()
{
    local dir=$sysfs/node$1/$2/initiators
    mkdir -p "$dir/node$3"
    echo "$4" >"$dir/read_bandwidth"
    echo "$5" >"$dir/write_bandwidth"
    echo "$6" >"$dir/read_latency"
    echo "$7" >"$dir/write_latency"
}

# says STATUS ROW...: expects these rows, in this order, after the head of the table.
says()
{
    local status=0
    "$tool" check >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$1" ] || { cat "$work/out" "$work/err"; fail "exits with $status"; }
    shift
    diff <(printf '%s\n' "$@") <(tail -n +2 "$work/out" | tr -s ' ') ||
        fail "not the rows that were meant"
}

mkdir "$sysfs"
echo 0-3 >"$sysfs/online"
echo 0-3 >"$sysfs/possible"
echo 0-3 >"$sysfs/has_memory"
echo 0,2 >"$sysfs/has_cpu"
node 0 0-1 16384 512 "10 12 21 30"
node 1 "" 8192 8192 "12 10 24 40"
node 2 2-3,5 1048576 2048 "21 24 10 17"
node 3 "" 131072 1 "30 40 17 10"
mount --bind "$sysfs" /sys/devices/system/node || skip "sysfs cannot be covered"

echo "== without the firmware's table"
untold="The firmware does not tell how fast all of the memory is (HMAT)."
says 0 \
    " 0 16 GiB 512 MiB ? ? ? 10 21 - 0-1" \
    " 1 8.0 GiB 8.0 GiB ? ? ? 12 24 - -" \
    " 2 1.0 TiB 2.0 GiB ? ? ? 21 10 - 2-3,5" \
    " 3 128 GiB 1.0 MiB ? ? ? 30 17 dax-kmem -" "" "$untold"

echo "== with it"
speed 0 access0 0 100000 90000 90 95
# A class of other, nearer initiators, and the class of processors.
speed 1 access0 7 800000 800000 10 10
speed 1 access1 0 400000 300000 110 120
speed 2 access0 2 100000 90000 90 95
head -n 1 <("$tool" check) | tr -s ' ' |
    grep -qx "node size free read write ns to 0 to 2 kinds processors" ||
    fail "$("$tool" check)"
says 0 \
    " 0 16 GiB 512 MiB 100.00 90.00 90 10 21 - 0-1" \
    " 1 8.0 GiB 8.0 GiB 400.00 300.00 110 12 24 hbw -" \
    " 2 1.0 TiB 2.0 GiB 100.00 90.00 90 21 10 - 2-3,5" \
    " 3 128 GiB 1.0 MiB ? ? ? 30 17 dax-kmem -" "" "$untold"
speed 3 access0 2 20000 8000 300 310
"$tool" check >"$work/out"
! grep -q HMAT "$work/out" || fail "all is known, and yet: $(cat "$work/out")"

echo "== JSON, with a place and without"
"$tool" check --json --nodes "$work/pmem" >"$work/places.json" || [ $? = 1 ] || fail "with a place"
"$tool" check --json >"$work/nodes.json" || fail "exits with $?"
python3 - "$work" <<'END_OF_PYTHON' || { cat "$work"/*.json; fail "not the JSON that was meant"; }
import json, sys
place, *nodes = json.load(open(sys.argv[1] + "/places.json"))
assert place["path"] == sys.argv[1] + "/pmem"
assert nodes == json.load(open(sys.argv[1] + "/nodes.json")), "not the same nodes"
assert [node["node"] for node in nodes] == [0, 1, 2, 3]
assert nodes[1] == {
    "node": 1, "size": 8 << 30, "free": 8 << 30, "has_processors": False, "processors": "",
    "high_bandwidth": True, "dax_kmem": False,
    "read_bandwidth": 400e9, "read_latency": 110, "write_bandwidth": 300e9, "write_latency": 120,
    "distances": {"0": 12, "1": 10, "2": 24, "3": 40}, "initiators": [0]}, nodes[1]
assert nodes[2]["has_processors"] and nodes[2]["processors"] == "2-3,5"
assert nodes[2]["free"] == 2 << 30
assert nodes[3]["dax_kmem"] and nodes[3]["read_bandwidth"] == 20e9
assert nodes[3]["write_latency"] == 310
END_OF_PYTHON

echo "== gaps between node numbers, a node without memory, and missing files"
echo 0,2-3 >"$sysfs/online"
echo 0,3 >"$sysfs/has_memory"
node 0 0-1 16384 512 "10 21 30"
rm "$sysfs/node3/meminfo" "$sysfs/node3/distance" "$sysfs/node3/access0/initiators/read_latency"
says 0 " 0 16 GiB 512 MiB 100.00 90.00 90 10 21 - 0-1" " 3 ? ? 20.00 8.00 ? ? ? - -" "" "$untold"

echo "== a kernel without nodes"
rm -r "${sysfs:?}"/*
says 2 "" "The kernel tells of no memory nodes (NUMA)."
[ "$("$tool" check --json | tr -d ' \n')" = "[]" ] || fail "not an empty array"
status=0
"$tool" check --nodes "$work/pmem" >"$work/out" || status=$?
[ $status = 2 ] && grep -q "^$work/pmem" "$work/out" ||
    fail "a place without nodes: $(cat "$work/out")"
umount /sys/devices/system/node
