# SPDX-License-Identifier: BSD-2-Clause
# One socket with three nodes: the fastest, the largest, and the one of the highest bandwidth
# (HMAT). memkind(3) has the same table.
#
# QEMU: -machine hmat=on -smp 2,sockets=1,cores=2 -m 1984M
# QEMU: -object memory-backend-ram,id=m0,size=704M -numa node,nodeid=0,memdev=m0,initiator=0
# QEMU: -object memory-backend-ram,id=m1,size=1024M -numa node,nodeid=1,memdev=m1,initiator=0
# QEMU: -object memory-backend-ram,id=m2,size=256M -numa node,nodeid=2,memdev=m2,initiator=0
# QEMU: -numa cpu,node-id=0,socket-id=0
# QEMU: -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=15
# QEMU: -numa dist,src=1,dst=2,val=30
# QEMU: -numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=250
# QEMU: -numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=50G
# QEMU: -numa hmat-lb,initiator=0,target=2,hierarchy=memory,data-type=access-latency,latency=150
# QEMU: -numa
# QEMU: hmat-lb,initiator=0,target=2,hierarchy=memory,data-type=access-bandwidth,bandwidth=300G
# SECONDS: 180

run check/nodes check_nodes 0:processors=0-1 1:to0=20 1:read=51.20 1:ns=250 2:to0=15 2:read=307.20 \
    2:ns=150
run local/hbw /tests/guest/test_local hbw 2 2
run local/hbw_interleave /tests/guest/test_local hbw_interleave 2 2
run local/highest_bandwidth_local /tests/guest/test_local highest_bandwidth_local 2 2
run local/lowest_latency_local /tests/guest/test_local lowest_latency_local 0 0
run local/highest_capacity /tests/guest/test_local highest_capacity 1 1
run local/highest_capacity_local /tests/guest/test_local highest_capacity_local 1 1
export MEMKIND_HBW_THRESHOLD=100000
run threshold/hbw /tests/guest/test_local hbw 0 0
run threshold/hbw_interleave /tests/guest/test_local hbw_interleave 0,2 0,2
