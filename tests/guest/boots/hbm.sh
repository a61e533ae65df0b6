# SPDX-License-Identifier: BSD-2-Clause
# Two sockets, each with DRAM and with high bandwidth memory that the firmware describes (HMAT):
# which kind takes which node for a thread on each processor. memkind(3) has the same table.
#
# QEMU: -machine hmat=on -smp 2,sockets=2,cores=1 -m 1984M
# QEMU: -object memory-backend-ram,id=m0,size=1024M -numa node,nodeid=0,memdev=m0,initiator=0
# QEMU: -object memory-backend-ram,id=m1,size=512M -numa node,nodeid=1,memdev=m1,initiator=1
# QEMU: -object memory-backend-ram,id=m2,size=256M -numa node,nodeid=2,memdev=m2,initiator=0
# QEMU: -object memory-backend-ram,id=m3,size=192M -numa node,nodeid=3,memdev=m3,initiator=1
# QEMU: -numa cpu,node-id=0,socket-id=0
# QEMU: -numa cpu,node-id=1,socket-id=1
# QEMU: -numa dist,src=0,dst=1,val=21 -numa dist,src=0,dst=2,val=13 -numa dist,src=0,dst=3,val=24
# QEMU: -numa dist,src=1,dst=2,val=24 -numa dist,src=1,dst=3,val=13
# QEMU: -numa dist,src=2,dst=3,val=30
# QEMU: -numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=0,target=2,hierarchy=memory,data-type=access-latency,latency=120
# QEMU: -numa
# QEMU: hmat-lb,initiator=0,target=2,hierarchy=memory,data-type=access-bandwidth,bandwidth=400G
# QEMU: -numa hmat-lb,initiator=1,target=3,hierarchy=memory,data-type=access-latency,latency=120
# QEMU: -numa
# QEMU: hmat-lb,initiator=1,target=3,hierarchy=memory,data-type=access-bandwidth,bandwidth=400G
# SECONDS: 180

run check/nodes check_nodes 0:to0=10 0:to1=21 0:read=102.40 0:ns=90 0:kinds=- 0:processors=0 \
    2:to0=13 2:to1=24 2:read=409.60 2:write=409.60 2:ns=120 2:kinds=hbw 2:processors=- 3:to1=13
run local/hbw /tests/guest/test_local hbw 2 3
run local/hbw_all /tests/guest/test_local hbw_all 2/3 2/3
run local/hbw_preferred /tests/guest/test_local hbw_preferred 2 3
run local/hbw_interleave /tests/guest/test_local hbw_interleave 2,3 2,3
run local/hbw_malloc /tests/guest/test_local hbw_malloc 2 3
run local/highest_bandwidth_local /tests/guest/test_local highest_bandwidth_local 2 3
run local/highest_bandwidth_local_preferred /tests/guest/test_local \
    highest_bandwidth_local_preferred 2 3
run local/lowest_latency_local /tests/guest/test_local lowest_latency_local 0 1
run local/lowest_latency_local_preferred /tests/guest/test_local lowest_latency_local_preferred 0 1
run local/highest_capacity /tests/guest/test_local highest_capacity 0 0
run local/highest_capacity_preferred /tests/guest/test_local highest_capacity_preferred 0 0
run local/highest_capacity_local /tests/guest/test_local highest_capacity_local 0 1
run local/highest_capacity_local_preferred /tests/guest/test_local \
    highest_capacity_local_preferred 0 1
# An unchanged program: its blocks of more than 4 KiB, by default of the kind that prefers high
# bandwidth memory.
heap=/tests/preload/heap_nodes
autohbw="env LD_PRELOAD=/bin/libautohbw.so.0 AUTO_HBW_SIZE=4K AUTO_HBW_LOG=0"
run autohbw/first taskset 1 $autohbw $heap 2:100
run autohbw/second taskset 2 $autohbw $heap 3:100
run autohbw/interleave $autohbw AUTO_HBW_MEM_TYPE=MEMKIND_HBW_INTERLEAVE $heap 2:50 3:50
run autohbw/smaller taskset 1 $autohbw AUTO_HBW_SIZE=1M $heap 0:100
run nodes/hbw taskset 2 memkind-pmem run --kind hbw -- $heap 3:100
export MEMKIND_HBW_THRESHOLD=409601
run threshold/hbw /tests/guest/test_local hbw none none
run threshold/highest_bandwidth_local /tests/guest/test_local highest_bandwidth_local 2 3
export MEMKIND_HBW_NODES=1-2
run listed/hbw /tests/guest/test_local hbw 2 1
run listed/hbw_interleave /tests/guest/test_local hbw_interleave 1,2 1,2
