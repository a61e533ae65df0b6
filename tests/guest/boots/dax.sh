# SPDX-License-Identifier: BSD-2-Clause
# Which places count as DAX, and the output and effect of memkind-pmem there; and tests of api on a
# disk's file system without DAX.
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

run check/ext4 check_place 0 /mnt/ext4 'verdict="dax"' 'type="ext4"' 'options="[^"]*dax=always.*"' \
    "source=\"$ext4\"" map_sync=true hole_punching=true huge_pages=true 'reason=""' numa_node=0 \
    'size=[1-9][0-9]{8}' 'free=[1-9][0-9]{8}' measured says "/mnt/ext4: DAX. No action needed."
# Each run leaves space behind that is free only once the journal is written. The next run must not
# be misled by that.
run check/ext4_again sh -euc 'for i in 1 2 3 4 5 6
do
    check_place 0 /mnt/ext4 huge_pages=true "reason=\"\"" measured
done'
run check/xfs check_place 0 /mnt/xfs 'verdict="dax"' 'type="xfs"' 'options="[^"]*dax=always.*"' \
    "source=\"$xfs\"" map_sync=true hole_punching=true huge_pages=true 'reason=""' numa_node=0 \
    'size=[1-9][0-9]{8}' 'free=[1-9][0-9]{8}' measured says "/mnt/xfs: DAX. No action needed."
run check/tmpfs check_place 1 /dev/shm 'verdict="works"' 'type="tmpfs"' map_sync=false \
    hole_punching=true huge_pages=false 'reason="mounted without huge="' measured says \
    "works, without DAX"
run check/missing check_place 2 /mnt/missing 'verdict="useless"' 'type=""' map_sync=null \
    huge_pages=null 'reason="No such file or directory"' size=null free=null says \
    "/mnt/missing: cannot be used (No such file"
run run/ext4 memkind-pmem run --dir /mnt/ext4 -- /tests/preload/heap_place /mnt/ext4 frozen
run run/xfs memkind-pmem run --dir /mnt/xfs -- /tests/preload/heap_place /mnt/xfs frozen
run run/copy env MEMKIND_PMEM_FORK=copy \
    memkind-pmem run --dir /mnt/xfs -- /tests/preload/heap_place /mnt/xfs copy

umount /mnt/overlay /mnt/ext4 /mnt/xfs
mount -t ext4 "$ext4" /mnt/ext4
mount -t xfs -o dax=never "$xfs" /mnt/xfs
run path/ext4_without /tests/guest/test_dax_path no-dax /mnt/ext4
run path/xfs_without /tests/guest/test_dax_path no-dax /mnt/xfs
run check/ext4_without check_place 1 /mnt/ext4 'verdict="works"' 'type="ext4"' map_sync=false \
    hole_punching=true huge_pages=false 'reason="without DAX, .*"' measured says \
    'mount it with "-o dax=always"'

export MEMKIND_TEST_DIR=/mnt/ext4 STRESS_SECONDS=3
run api/test_create
run api/test_destroy
run api/test_io_uring
run stress/test_threads
