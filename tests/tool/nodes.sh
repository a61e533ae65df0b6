#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind-hbw-nodes and memkind-auto-dax-kmem-nodes: their output and exit status are those of
# memkind 1.14.
#
# Environment: MEMKIND_BUILD_DIR.

set -euo pipefail

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# expect STATUS OUTPUT PROGRAM [ARG...]: OUTPUT is a pattern.
expect()
{
    local status=0 output
    output=$("$MEMKIND_BUILD_DIR/src/nodes/$3" "${@:4}" 2>&1) || status=$?
    [ "$status" -eq "$1" ] || fail "${*:3}: exit status $status, not $1"
    # shellcheck disable=SC2053 # a pattern
    [[ $output == $2 ]] || fail "${*:3}: printed $output"
}

[ -e /sys/devices/system/node/node0/meminfo ] || exit 77
unset MEMKIND_HBW_NODES MEMKIND_DAX_KMEM_NODES
MEMKIND_HBW_THRESHOLD=4000000000 expect 1 "" memkind-hbw-nodes
MEMKIND_HBW_NODES=0 expect 0 0 memkind-hbw-nodes
MEMKIND_HBW_NODES=x expect 1 "" memkind-hbw-nodes
MEMKIND_DAX_KMEM_NODES=0 expect 0 0 memkind-auto-dax-kmem-nodes
MEMKIND_DAX_KMEM_NODES=x expect 3 "" memkind-auto-dax-kmem-nodes
expect 2 "ERROR: Unknown option foo. More info with *" memkind-hbw-nodes foo
expect 2 "ERROR: Unknown option -h. More info with *" memkind-auto-dax-kmem-nodes -h foo
expect 2 "usage: memkind-hbw-nodes *" memkind-hbw-nodes -h
expect 0 "usage: memkind-auto-dax-kmem-nodes *" memkind-auto-dax-kmem-nodes --help
