# SPDX-License-Identifier: BSD-2-Clause
# The share of a heap that is mapped by 2 MiB entries.
#
# QEMU: -m 2G
# KERNEL: memmap=640M!1G
# SECONDS: 500

modprobe -a nd_pmem nd_e820 xfs
pmem=$(device pmem 640)
export MEMKIND_TEST_DIR=/mnt

ext4_recommended() { make_ext4 "$pmem" /mnt; }
xfs_recommended() { make_xfs "$pmem" /mnt; }
ext4_default() { mkfs.ext4 -q "$pmem"; mount -t ext4 -o dax "$pmem" /mnt; }
xfs_default() { mkfs.xfs -q -f -m reflink=0 "$pmem"; mount -t xfs -o dax "$pmem" /mnt; }

# share MAKE STATE KEEP LEAST: 
for make in ext4_recommended xfs_recommended ext4_default xfs_default; do
    for state in fresh used kept; do
        for size in small large; do
            $make
            [ $state != used ] || /tests/guest/use_up /mnt 0
            [ $state != kept ] || /tests/guest/use_up /mnt 8
            run pmd/$make/$state/$size /tests/guest/pmd_share /mnt $size "$make, $state"
            umount /mnt
        done
    done
done
