#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# malloc(64) and free on libmemtier take at most so many instructions more than on libc, and fewer
# than half of those on memkind's own libmemtier, if the distribution's is installed. Environment
# also: PAIR.

. "$(dirname "$0")/lib.sh"

pair=$PAIR
few=50000
many=150000
most_static=40 # for the choice between tiers, and for counting what they hold
most_dynamic=95

command -v valgrind >/dev/null || skip "no valgrind here"
theirs=$("${CC:-cc}" -print-file-name=libmemtier.so)
theirs=$([ -f "$theirs" ] && readlink -f "$theirs" || true)
! nm -D "${theirs:-/dev/null}" 2>/dev/null | grep -q mallocx || theirs=
. "$(dirname "$0")/../support/instructions.bash"

tiers="KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$pmem,RATIO:4"
libc=$(cost A=1)
for policy in STATIC_RATIO DYNAMIC_THRESHOLD; do
    most=$most_static
    [ $policy = STATIC_RATIO ] || most=$most_dynamic
    ours=$(cost LD_PRELOAD="$library" MEMKIND_MEM_TIERS="$tiers;POLICY:$policy")
    echo "$policy: $ours tenths of an instruction, libc $libc"
    [ "$ours" -le $((libc + 10 * most)) ] || fail "more than $most instructions above libc's"
    [ -n "$theirs" ] || continue
    memkind=$(cost LD_PRELOAD="$theirs" MEMKIND_MEM_TIERS="$tiers;POLICY:$policy")
    echo "$policy: memkind's $memkind"
    [ $((ours * 2)) -lt "$memkind" ] || fail "not fewer than half of memkind's"
done
