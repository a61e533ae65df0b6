# SPDX-License-Identifier: BSD-2-Clause
# What counts as DAX; and tests of api on a disk's file system without it.
#
# QEMU: -m 2G,slots=2,maxmem=4G -object memory-backend-memfd,id=virtio,size=128M,share=on
# QEMU: -device virtio-pmem-pci,memdev=virtio
# KERNEL: memmap=320M!1G memmap=512M!1408M
# SECONDS: 180

modprobe -a nd_pmem nd_e820 xfs overlay virtio_pci virtio_pmem
ext4=$(device pmem 320)
xfs=$(device pmem 512)
virtio=$(device pmem 128)
make_ext4 "$ext4" /mnt/ext4
make_xfs "$xfs" /mnt/xfs -d agcount=2
make_ext4 "$virtio" /mnt/virtio
mkdir -p /mnt/overlay /mnt/ext4/upper /mnt/ext4/work /tmp/lower
mount -t overlay -o lowerdir=/tmp/lower,upperdir=/mnt/ext4/upper,workdir=/mnt/ext4/work \
    overlay /mnt/overlay

run path/ext4 /tests/guest/test_dax_path dax /mnt/ext4
run path/xfs /tests/guest/test_dax_path dax /mnt/xfs
run path/tmpfs /tests/guest/test_dax_path no-dax /dev/shm
run path/overlay /tests/guest/test_dax_path no-dax-although-statx /mnt/overlay
run path/virtio /tests/guest/test_dax_path no-dax-although-statx /mnt/virtio

umount /mnt/overlay /mnt/ext4 /mnt/xfs
mount -t ext4 "$ext4" /mnt/ext4
mount -t xfs -o dax=never "$xfs" /mnt/xfs
run path/ext4_without /tests/guest/test_dax_path no-dax /mnt/ext4
run path/xfs_without /tests/guest/test_dax_path no-dax /mnt/xfs

export MEMKIND_TEST_DIR=/mnt/ext4 STRESS_SECONDS=3
run api/test_create
run api/test_destroy
run stress/test_threads
