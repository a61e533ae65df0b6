# SPDX-License-Identifier: BSD-2-Clause
# Four sockets, two of them with large CXL memory, which the firmware (HMAT) describes as slower and
# farther away than their DRAM: which kind takes which node for a thread on each processor.
# memkind(3) has the same table.
#
# QEMU: -machine hmat=on -smp 4,sockets=4,cores=1 -m 3360M
# QEMU: -object memory-backend-ram,id=m0,size=640M -numa node,nodeid=0,memdev=m0,initiator=0
# QEMU: -object memory-backend-ram,id=m1,size=192M -numa node,nodeid=1,memdev=m1,initiator=1
# QEMU: -object memory-backend-ram,id=m2,size=224M -numa node,nodeid=2,memdev=m2,initiator=2
# QEMU: -object memory-backend-ram,id=m3,size=256M -numa node,nodeid=3,memdev=m3,initiator=3
# QEMU: -object memory-backend-ram,id=m4,size=1280M -numa node,nodeid=4,memdev=m4,initiator=0
# QEMU: -object memory-backend-ram,id=m5,size=768M -numa node,nodeid=5,memdev=m5,initiator=3
# QEMU: -numa cpu,node-id=0,socket-id=0
# QEMU: -numa cpu,node-id=1,socket-id=1
# QEMU: -numa cpu,node-id=2,socket-id=2
# QEMU: -numa cpu,node-id=3,socket-id=3
# QEMU: -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=20 -numa dist,src=0,dst=3,val=20
# QEMU: -numa dist,src=0,dst=4,val=30 -numa dist,src=0,dst=5,val=45
# QEMU: -numa dist,src=1,dst=2,val=20 -numa dist,src=1,dst=3,val=20 -numa dist,src=1,dst=4,val=40
# QEMU: -numa dist,src=1,dst=5,val=45
# QEMU: -numa dist,src=2,dst=3,val=20 -numa dist,src=2,dst=4,val=45 -numa dist,src=2,dst=5,val=40
# QEMU: -numa dist,src=3,dst=4,val=45 -numa dist,src=3,dst=5,val=30
# QEMU: -numa dist,src=4,dst=5,val=60
# QEMU: -numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=2,target=2,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=2,target=2,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=3,target=3,hierarchy=memory,data-type=access-latency,latency=90
# QEMU: -numa
# QEMU: hmat-lb,initiator=3,target=3,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G
# QEMU: -numa hmat-lb,initiator=0,target=4,hierarchy=memory,data-type=access-latency,latency=250
# QEMU: -numa hmat-lb,initiator=0,target=4,hierarchy=memory,data-type=access-bandwidth,bandwidth=30G
# QEMU: -numa hmat-lb,initiator=3,target=5,hierarchy=memory,data-type=access-latency,latency=250
# QEMU: -numa hmat-lb,initiator=3,target=5,hierarchy=memory,data-type=access-bandwidth,bandwidth=30G
# SECONDS: 180

run check/nodes check_nodes 3:to0=20 3:to3=10 3:read=102.40 3:processors=3 4:to0=30 4:to1=40 \
    4:to2=45 4:to3=45 4:read=30.72 4:ns=250 4:processors=- 5:to0=45 5:to3=30
run local/hbw /tests/guest/test_local hbw none none none none
run local/highest_bandwidth_local /tests/guest/test_local highest_bandwidth_local 0 1 2 3
run local/lowest_latency_local /tests/guest/test_local lowest_latency_local 0 1 2 3
run local/highest_capacity /tests/guest/test_local highest_capacity 4 4 4 4
run local/highest_capacity_local /tests/guest/test_local highest_capacity_local 4 1 2 5
run local/highest_capacity_local_preferred /tests/guest/test_local \
    highest_capacity_local_preferred 4 1 2 5
# Unchanged programs with their heap on nodes: the share of their pages on each.
heap="/tests/preload/heap_nodes"
run nodes/bind memkind-pmem run --nodes 4 -- $heap 4:100
run nodes/closest taskset 8 memkind-pmem run --nodes 4-5 -- $heap 5:100
run nodes/preferred memkind-pmem run --nodes 5 --policy preferred -- $heap 5:100
run nodes/interleave memkind-pmem run --nodes 4-5 --policy interleave -- $heap 4:50 5:50
run nodes/ratio taskset 1 memkind-pmem run --nodes 4 --ratio 1:4 -- $heap 0:20 4:80
# Linux before 6.9 has no weighted interleaving.
run nodes/weighted sh \
    -c "memkind-pmem run --nodes 4-5 --policy weighted -- $heap 4:50 2>&1 | grep 'needs Linux 6.9'"
run nodes/capacity memkind-pmem run --kind highest-capacity -- $heap 4:100
run nodes/local taskset 8 memkind-pmem run --kind highest-capacity-local -- $heap 5:100
export MEMKIND_DAX_KMEM_NODES=4-5
run nodes/kmem taskset 1 memkind-pmem run --kind dax-kmem -- $heap 4:100
run nodes/kmem_interleave memkind-pmem run --kind dax-kmem-interleave -- $heap 4:50 5:50
run nodes/redis redis_on_node 5 85 --nodes 5
run nodes/redis_ratio redis_on_node 5 60 --nodes 5 --ratio 1:4
run nodes/tiers sh -c "taskset 1 memtier -r 1:3 $heap 0:25 4:75"
run local/dax_kmem /tests/guest/test_local dax_kmem 4 4 5 5
run local/dax_kmem_preferred /tests/guest/test_local dax_kmem_preferred 4 4 5 5
run local/dax_kmem_all /tests/guest/test_local dax_kmem_all 4/5 4/5 4/5 4/5
run local/dax_kmem_interleave /tests/guest/test_local dax_kmem_interleave 4,5 4,5 4,5 4,5
export MEMKIND_HBW_THRESHOLD=30000
run threshold/hbw /tests/guest/test_local hbw 0 1 2 3
run threshold/hbw_interleave /tests/guest/test_local hbw_interleave 0,1,2,3,4,5 0,1,2,3,4,5 \
    0,1,2,3,4,5 0,1,2,3,4,5
