# SPDX-License-Identifier: BSD-2-Clause
# Two sockets with memory beside their DRAM that the firmware does not describe: the user lists the
# nodes of high bandwidth. memkind(3) has the same table.
#
# QEMU: -smp 2,sockets=2,cores=1 -m 1984M
# QEMU: -object memory-backend-ram,id=m0,size=1024M -numa node,nodeid=0,memdev=m0
# QEMU: -object memory-backend-ram,id=m1,size=512M -numa node,nodeid=1,memdev=m1
# QEMU: -object memory-backend-ram,id=m2,size=256M -numa node,nodeid=2,memdev=m2
# QEMU: -object memory-backend-ram,id=m3,size=192M -numa node,nodeid=3,memdev=m3
# QEMU: -numa cpu,node-id=0,socket-id=0
# QEMU: -numa cpu,node-id=1,socket-id=1
# QEMU: -numa dist,src=0,dst=1,val=21 -numa dist,src=0,dst=2,val=13 -numa dist,src=0,dst=3,val=24
# QEMU: -numa dist,src=1,dst=2,val=24 -numa dist,src=1,dst=3,val=13
# QEMU: -numa dist,src=2,dst=3,val=30
# SECONDS: 180

run check/nodes check_nodes 0:read='?' 0:ns='?' 0:processors=0 2:to0=13 2:to1=24 2:kinds=- \
    2:processors=-
run local/hbw /tests/guest/test_local hbw none none
run local/hbw_preferred /tests/guest/test_local hbw_preferred none none
run local/highest_bandwidth_local /tests/guest/test_local highest_bandwidth_local none none
run local/lowest_latency_local /tests/guest/test_local lowest_latency_local none none
run local/highest_capacity_local /tests/guest/test_local highest_capacity_local 0 1
export MEMKIND_HBW_NODES=2-3
run listed/hbw /tests/guest/test_local hbw 2 3
run listed/hbw_preferred /tests/guest/test_local hbw_preferred 2 3
run listed/hbw_all /tests/guest/test_local hbw_all 2/3 2/3
run listed/hbw_interleave /tests/guest/test_local hbw_interleave 2,3 2,3
run listed/hbw_malloc /tests/guest/test_local hbw_malloc 2 3
