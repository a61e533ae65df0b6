# SPDX-License-Identifier: BSD-2-Clause
# Full file systems, small and large, and killed processes. XFS of less than 640 MiB needs two
# allocation groups instead of eight for stripes of 2 MiB and its log.
#
# QEMU: -m 4G
# KERNEL: memmap=64M!1G memmap=512M!1152M memmap=1G!4G
# SECONDS: 240

modprobe -a nd_pmem nd_e820 xfs
make_ext4 "$(device pmem 64)" /mnt/ext4_64m
make_xfs "$(device pmem 512)" /mnt/xfs_512m -d agcount=2
make_ext4 "$(device pmem 1024)" /mnt/ext4_1g

export MEMKIND_TEST_DIR=/mnt/ext4_64m
run full/ext4_64m /tests/guest/test_full
export MEMKIND_TEST_DIR=/mnt/xfs_512m
run full/xfs_512m /tests/guest/test_full
run killed/xfs_512m /tests/guest/test_killed
export MEMKIND_TEST_DIR=/mnt/ext4_1g
run full/ext4_1g /tests/guest/test_full
run killed/ext4_1g /tests/guest/test_killed
