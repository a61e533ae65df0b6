#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A program's heap on NUMA nodes and of kinds: MEMKIND_PRELOAD_NODES, _POLICY and _KIND. The guest
# tests several nodes.
#
# Usage: nodes.sh ODD HEAP_NODES REFUSE_CALLS

. "$(dirname "$0")/lib.sh"

odd=$1
heap_nodes=$2
refuse=$3
EXIT_STRICT=125

grep -qs '^Node 0' /sys/devices/system/node/node0/meminfo || skip "this kernel has no NUMA nodes"
node=$(sed 's/[-,].*//' /sys/devices/system/node/has_memory)

# heap [NAME=VALUE...] COMMAND...: expects the command's heap in the library's kinds.
heap()
{
    echo "== $*"
    env LD_PRELOAD="$library" MEMKIND_PRELOAD_STRICT=1 "$@" 2>"$work/err" ||
        { cat "$work/err"; fail "$*"; }
    [ ! -s "$work/err" ] || fail "it says: $(cat "$work/err")"
}

# wrong PATTERN [NAME=VALUE...]: expects no kind, for the reason that PATTERN gives.
wrong()
{
    local status=0
    echo "== ${*:2}: $1"
    env "${@:2}" LD_PRELOAD="$library" MEMKIND_PRELOAD_STRICT=1 true 2>"$work/err" || status=$?
    [ $status = $EXIT_STRICT ] || fail "status $status"
    [ "$(wc -l <"$work/err")" = 1 ] && grep -q "^memkind-preload: .*$1" "$work/err" ||
        fail "it says: $(cat "$work/err")"
    env "${@:2}" LD_PRELOAD="$library" "$odd" libc 2>"$work/err" ||
        fail "it does not go on: $(cat "$work/err")"
}

heap MEMKIND_PRELOAD_NODES="$node" "$heap_nodes" "$node:100"
for policy in bind preferred interleave; do
    heap MEMKIND_PRELOAD_NODES="$node" MEMKIND_PRELOAD_POLICY=$policy "$heap_nodes" "$node:100" \
        >"$work/out"
    grep -q "^policy ${policy/preferred/prefer}[ a-z()]*:$node " "$work/out" ||
        fail "$policy: $(cat "$work/out")"
done

echo "== weighted interleaving"
if MEMKIND_PRELOAD_NODES=$node MEMKIND_PRELOAD_POLICY=weighted MEMKIND_PRELOAD_STRICT=1 \
    LD_PRELOAD=$library "$heap_nodes" "$node:100" >"$work/out" 2>"$work/err"; then
    grep -q "^policy weighted interleave:$node " "$work/out" || fail "$(cat "$work/out")"
else
    grep -q 'MEMKIND_PRELOAD_POLICY=weighted needs Linux 6.9 or later' "$work/err" ||
        fail "$(cat "$work/err")"
fi

for kind in regular highest-capacity highest-capacity-preferred interleave default; do
    heap MEMKIND_PRELOAD_KIND=$kind "$heap_nodes" "$node:100"
done
for kind in dax-kmem dax-kmem-all dax-kmem-preferred dax-kmem-interleave; do
    heap MEMKIND_PRELOAD_KIND=$kind MEMKIND_DAX_KMEM_NODES="$node" "$heap_nodes" "$node:100"
done
for kind in hbw hbw-all hbw-preferred hbw-interleave; do
    heap MEMKIND_PRELOAD_KIND=$kind MEMKIND_HBW_NODES="$node" "$heap_nodes" "$node:100"
done

for place in MEMKIND_PRELOAD_NODES=$node MEMKIND_PRELOAD_KIND=highest-capacity; do
    for name in before exit family aligned threads descriptors fork fork-libc fork-threads exec \
        kind; do
        heap "$place" "$odd" $name >/dev/null
    done
    heap "$place" MEMKIND_PRELOAD_RATIO=1:4 "$odd" threads
    heap "$place" MEMKIND_PRELOAD_MIN=1000 MEMKIND_PRELOAD_MAX=100000 "$odd" sides
    heap "$place" MEMKIND_PRELOAD_PUBLISH=1 "$odd" threads
    heap "$place" MEMKIND_PRELOAD_STATS="$work/stats" "$heap_nodes" "$node:100"
    grep -qE '"kind": "memkind_(nodes|highest_capacity)"' "$work/stats" ||
        fail "$(cat "$work/stats")"
    ! grep -q file_space "$work/stats" && [ "$(number "$work/stats" resident)" -gt 10000000 ] ||
        fail "the numbers are $(cat "$work/stats")"
done

several='of MEMKIND_PRELOAD_DIR, _NODES and _KIND, more than one is set'
wrong "$several" MEMKIND_PRELOAD_NODES="$node" MEMKIND_PRELOAD_DIR="$work/pmem"
wrong "$several" MEMKIND_PRELOAD_NODES="$node" MEMKIND_PRELOAD_KIND=hbw
wrong 'MEMKIND_PRELOAD_POLICY needs MEMKIND_PRELOAD_NODES' MEMKIND_PRELOAD_POLICY=bind \
    MEMKIND_PRELOAD_DIR="$work/pmem"
wrong 'MEMKIND_PRELOAD_SIZE needs MEMKIND_PRELOAD_DIR' MEMKIND_PRELOAD_SIZE=1G \
    MEMKIND_PRELOAD_NODES="$node"
for nodes in x 1023 "$node," -1 "$node-" "$node,1023"; do
    wrong "MEMKIND_PRELOAD_NODES=$nodes is not a list of nodes" MEMKIND_PRELOAD_NODES="$nodes"
done
for policy in '' local BIND; do
    wrong "MEMKIND_PRELOAD_POLICY=$policy is not" MEMKIND_PRELOAD_POLICY="$policy" \
        MEMKIND_PRELOAD_NODES="$node"
done
for kind in pmem HBW hbw_all hbw- fixed; do
    wrong "MEMKIND_PRELOAD_KIND=$kind is not a kind" MEMKIND_PRELOAD_KIND="$kind"
done
wrong 'no heap of MEMKIND_PRELOAD_KIND=hbw (' MEMKIND_PRELOAD_KIND=hbw MEMKIND_HBW_NODES=x

echo "== a kernel, or a container, that does not bind"
status=0
"$refuse" EPERM mbind true || status=$?
if [ $status = 0 ]; then
    for answer in "EPERM Operation not permitted" "ENOSYS Function not implemented"; do
        status=0
        "$refuse" "${answer%% *}" mbind env LD_PRELOAD="$library" MEMKIND_PRELOAD_STRICT=1 \
            MEMKIND_PRELOAD_NODES="$node" true 2>"$work/err" || status=$?
        [ $status = $EXIT_STRICT ] &&
            grep -q "no heap on MEMKIND_PRELOAD_NODES=$node (${answer#* })" "$work/err" ||
            fail "status $status: $(cat "$work/err")"
    done
fi
echo passed
