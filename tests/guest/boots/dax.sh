# SPDX-License-Identifier: BSD-2-Clause
# What counts as DAX.
#
# QEMU: -m 2G,slots=2,maxmem=4G -object memory-backend-memfd,id=virtio,size=128M,share=on
# QEMU: -device virtio-pmem-pci,memdev=virtio
# KERNEL: memmap=320M!1G memmap=512M!1408M
# SECONDS: 120

modprobe -a nd_pmem nd_e820 xfs overlay virtio_pci virtio_pmem
make_ext4 "$(device pmem 320)" /mnt/ext4
make_xfs "$(device pmem 512)" /mnt/xfs -d agcount=2
mkfs.ext4 -q -b 4096 "$(device pmem 128)"
mkdir -p /mnt/virtio
mount -t ext4 -o dax "$(device pmem 128)" /mnt/virtio
mkdir -p /mnt/overlay /mnt/ext4/upper /mnt/ext4/work /tmp/lower
mount -t overlay -o lowerdir=/tmp/lower,upperdir=/mnt/ext4/upper,workdir=/mnt/ext4/work overlay /mnt/overlay

run dax_path/ext4 /tests/guest/test_dax_path dax /mnt/ext4
run dax_path/xfs /tests/guest/test_dax_path dax /mnt/xfs
run dax_path/tmpfs /tests/guest/test_dax_path no-dax /dev/shm
run dax_path/overlay /tests/guest/test_dax_path no-dax-although-statx /mnt/overlay
run dax_path/virtio /tests/guest/test_dax_path no-dax-although-statx /mnt/virtio
umount /mnt/overlay /mnt/ext4 /mnt/xfs
mount -t ext4 -o dax=never "$(device pmem 320)" /mnt/ext4
mount -t xfs -o dax=never "$(device pmem 512)" /mnt/xfs
run dax_path/ext4_without /tests/guest/test_dax_path no-dax /mnt/ext4
run dax_path/xfs_without /tests/guest/test_dax_path no-dax /mnt/xfs
