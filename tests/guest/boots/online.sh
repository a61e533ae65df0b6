# SPDX-License-Identifier: BSD-2-Clause
# A node without processors whose memory comes online while programs run, as hot-plugged memory
# does.
#
# QEMU: -smp 2 -m 768M,slots=2,maxmem=4G
# QEMU: -object memory-backend-ram,id=m0,size=768M -numa node,nodeid=0,cpus=0-1,memdev=m0 -numa
# QEMU: node,nodeid=1
# QEMU: -object memory-backend-ram,id=m1,size=256M -device pc-dimm,memdev=m1,node=1
# SECONDS: 120

# A node without memory does not exist.
unplug()
{
    set_memory 1 offline
    [ "$(cat /sys/devices/system/node/has_memory)" = 0 ]
}

export MEMKIND_HBW_NODES=1 MEMKIND_DAX_KMEM_NODES=1
unplug
run online/hbw /tests/guest/test_online hbw 1 "set_memory 1 online_movable"
unplug
run online/hbw_all /tests/guest/test_online hbw_all 1 "set_memory 1 online_movable"
unplug
run online/hbw_preferred /tests/guest/test_online hbw_preferred 1 "set_memory 1 online_movable"
unplug
run online/hbw_interleave /tests/guest/test_online hbw_interleave 1 "set_memory 1 online_movable"
unplug
run online/hbw_malloc /tests/guest/test_online hbw_malloc 1 "set_memory 1 online_movable"
unplug
run online/dax_kmem /tests/guest/test_online dax_kmem 1 "set_memory 1 online_movable"
unplug
run online/dax_kmem_all /tests/guest/test_online dax_kmem_all 1 "set_memory 1 online_movable"
unplug
run online/dax_kmem_interleave /tests/guest/test_online dax_kmem_interleave 1 \
    "set_memory 1 online_movable"
