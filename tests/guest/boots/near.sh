# SPDX-License-Identifier: BSD-2-Clause
# Two sockets, each with persistent memory: a heap in both directories. A thread allocates from the
# nearer one.
#
# QEMU: -smp 2,sockets=2,cores=1 -m 2G
# QEMU: -object memory-backend-ram,id=m0,size=1G -numa node,nodeid=0,memdev=m0,cpus=0
# QEMU: -object memory-backend-ram,id=m1,size=1G -numa node,nodeid=1,memdev=m1,cpus=1
# QEMU: -numa dist,src=0,dst=1,val=21
# KERNEL: memmap=192M!512M memmap=256M!1536M
# SECONDS: 120

modprobe -a nd_pmem nd_e820
first=$(device pmem 192)
second=$(device pmem 256)
make_ext4 "$first" /mnt/first
make_ext4 "$second" /mnt/second

# The order of the directories does not matter.
heap="memkind-pmem run --dir /mnt/first --dir /mnt/second --"
turned="memkind-pmem run --dir /mnt/second --dir /mnt/first --"
where=/tests/preload/directories
run devices/first sh -c "memkind-pmem check --json /mnt/first | grep '\"numa_node\": 0'"
run devices/second sh -c "memkind-pmem check --json /mnt/second | grep '\"numa_node\": 1'"
run near/first sh -c "taskset 1 $heap $where where | grep -x /mnt/first"
run near/second sh -c "taskset 2 $heap $where where | grep -x /mnt/second"
run near/first_turned sh -c "taskset 1 $turned $where where | grep -x /mnt/first"
run near/second_turned sh -c "taskset 2 $turned $where where | grep -x /mnt/second"
run full/first sh \
    -c "taskset 1 memkind-pmem run --dir /mnt/first --dir /mnt/second --size 16M --fallback fail \
        -- $where full"
run fork/frozen taskset 2 $heap /tests/preload/heap_place /mnt/second frozen
run fork/copy env MEMKIND_PMEM_FORK=copy taskset 2 $heap /tests/preload/heap_place /mnt/second copy
