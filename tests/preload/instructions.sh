#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# malloc(64) and free take few instructions on the preload library, and no more than on libc where
# threads have no view of their caches.
#
# Usage: instructions.sh PAIR FAILING, where FAILING makes a call of the library fail

. "$(dirname "$0")/lib.sh"

pair=$1
failing=$2
few=100000
many=300000

command -v valgrind >/dev/null || skip "no valgrind here"
. "$(dirname "$0")/../support/instructions.bash"

libc=$(cost A=1)
ours=$(cost LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" \
    MEMKIND_PRELOAD_STATS="$work/stats")
[ "$(number "$work/stats" file_space_peak)" -gt 0 ] || fail "the program did not run on the library"
echo "tenths of an instruction for malloc(64) and free: $ours, libc $libc"
[ "$ours" -le 620 ] || fail "more than 62 instructions"

# A libmemkind of another build, and a libc whose own calls of malloc arrive like others.
for name in layout mprotect; do
    without=$(cost FAILING=$name LD_PRELOAD="$failing:$library" MEMKIND_PRELOAD_DIR="$work/pmem")
    echo "without a view ($name): $without"
    [ "$without" -gt $((ours + 30)) ] || fail "a view is used"
    [ "$without" -le "$libc" ] || fail "more than libc's"
done

# A thread that frees and allocates nothing is on the fast path of free too.
apart=$(cost PAIR_APART=1 LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem")
echo "freed by another thread: $apart"
[ "$apart" -le $((ours * 2)) ] || fail "more than twice as many as in one thread"

# by FUNCTION MOST: the block is allocated in another way. Lua allocates by realloc() without a
# block.
by()
{
    local count
    count=$(cost PAIR_BY="$1" LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem")
    echo "allocated by $1: $count"
    [ "$count" -le "$2" ] || fail "more than $2 tenths of an instruction by $1"
}

by realloc 760
by new 620
by calloc 900
by aligned 870
by grow 2250

# While libc serves the first requests.
mkdir -m 777 "$work/open" # so that the heap waits, for root, too
early=$(cost LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/open" MEMKIND_PRELOAD_AFTER=1G)
echo "before the heap: $early"
[ "$early" -gt "$libc" ] || fail "not served by libc"
[ "$early" -le $((libc + 950)) ] || fail "more than 95 instructions beside libc's"

# all SIZE MOST: without reuse in between, each block comes from jemalloc and goes back there: in
# batches, and in slabs of enough blocks to share the cost of a slab.
all()
{
    local count
    count=$(few=10000 many=30000 cost PAIR_ALL="$1" LD_PRELOAD="$library" \
        MEMKIND_PRELOAD_DIR="$work/pmem")
    echo "all allocated, then all freed, $1 bytes: $count"
    [ "$count" -le "$2" ] || fail "more than $2 tenths for a block that is not used again"
}

all 64 4000
all 1024 7900
all 2048 12300

# In several directories, and on a node.
mkdir "$work/other"
several=$(cost LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem:$work/other")
echo "in several directories: $several"
[ "$several" -le 620 ] || fail "more than 62 instructions"
if grep -qs '^Node 0' /sys/devices/system/node/node0/meminfo; then
    node=$(cost LD_PRELOAD="$library" \
        MEMKIND_PRELOAD_NODES="$(cat /sys/devices/system/node/has_memory)")
    echo "on memory nodes: $node"
    [ "$node" -le 620 ] || fail "more than 62 instructions"
fi
