# SPDX-License-Identifier: BSD-2-Clause
# An NVDIMM namespace in fsdax mode, on a node that has memory and no processors.
#
# QEMU: -smp 2 -m 2G,slots=2,maxmem=8G
# QEMU: -object memory-backend-ram,id=near,size=1536M -numa node,nodeid=0,cpus=0-1,memdev=near
# QEMU: -object memory-backend-ram,id=far,size=512M -numa node,nodeid=1,memdev=far
# QEMU: -object memory-backend-memfd,id=dimm,size=1G,share=on -device nvdimm,memdev=dimm,node=1
# SECONDS: 180

modprobe -a nfit nd_pmem
device pmem 1024 >/dev/null
ndctl create-namespace -f -e namespace0.0 -m fsdax
make_ext4 "$(device pmem 1024)" /mnt
export MEMKIND_TEST_DIR=/mnt
[ "$(cat /sys/devices/system/node/online)" = 0-1 ]
[ "$(cat /sys/devices/system/node/has_cpu)" = 0 ]

run dax_path /tests/guest/test_dax_path dax /mnt
run api/test_create
run api/test_default_operations
run api/test_detect_kind
run killed /tests/guest/test_killed
