# SPDX-License-Identifier: BSD-2-Clause
# ext4 with DAX on emulated persistent memory: the API tests and short stress tests.
#
# QEMU: -smp 1 -m 2G
# KERNEL: memmap=512M!1G
# SECONDS: 600

modprobe -a nd_pmem nd_e820
make_ext4 "$(device pmem 512)" /mnt
export MEMKIND_TEST_DIR=/mnt
for i in /tests/api/* /tests/stress/* /tests/cpp/*; do
run ${i#/tests/}
done
