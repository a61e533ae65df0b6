# SPDX-License-Identifier: BSD-2-Clause
# Huge pages of 1 GiB, on one node of two. The kernel reserves them at its start, from contiguous
# memory.
#
# QEMU: -smp 2 -m 4864M
# QEMU: -object memory-backend-ram,id=m0,size=4608M -numa node,nodeid=0,cpus=0-1,memdev=m0
# QEMU: -object memory-backend-ram,id=m1,size=256M -numa node,nodeid=1,memdev=m1
# KERNEL: hugepagesz=1G hugepages=3
# SECONDS: 180

[ "$(cat /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages)" -ge 1 ]
export MEMKIND_HBW_NODES=0
run gigantic/near /tests/guest/test_gigantic 0
export MEMKIND_HBW_NODES=1
run gigantic/far /tests/guest/test_gigantic 1
