# SPDX-License-Identifier: BSD-2-Clause
# The share of a heap of 256 MiB that is mapped by 2 MiB entries: asserted for new file systems made as
# recommended, a table for others, and what memkind-pmem says of those.
#
# used: files were made until nothing was left, and removed; worn: one of eight is still there.
#
# QEMU: -m 2G
# KERNEL: memmap=640M!1G
# SECONDS: 300

modprobe -a nd_pmem nd_e820 xfs
pmem=$(device pmem 640)
table=/tmp/table

ext4_recommended() { make_ext4 "$pmem" /mnt; }
xfs_recommended() { make_xfs "$pmem" /mnt; }
ext4_default() { mkfs.ext4 -q "$pmem"; mount -t ext4 -o dax "$pmem" /mnt; }
xfs_default() { mkfs.xfs -q -f -m reflink=0 "$pmem"; mount -t xfs -o dax "$pmem" /mnt; }

# prepare MAKE STATE: mounts a file system at /mnt.
prepare()
{
    umount /mnt 2>/dev/null || true # the first time there is none
    $1
    case $2 in
    used) /tests/guest/use_up /mnt 0 ;;
    worn) /tests/guest/use_up /mnt 8 ;;
    esac
}

prepare ext4_recommended fresh
run ext4/small /tests/guest/pmd_share /mnt small ext4 95
prepare ext4_recommended fresh
run ext4/large /tests/guest/pmd_share /mnt large ext4 95
prepare xfs_recommended fresh
run xfs/small /tests/guest/pmd_share /mnt small xfs 95
prepare xfs_recommended fresh
run xfs/large /tests/guest/pmd_share /mnt large xfs 95

for make in ext4_recommended xfs_recommended ext4_default xfs_default; do
    for state in fresh used worn; do
        for size in small large; do
            case $make-$state in
            *_recommended-fresh) continue ;; # see above
            xfs_default-*) [ $state = fresh ] || continue ;; # no better than new
            esac
            prepare $make $state
            /tests/guest/pmd_share /mnt $size "$make, $state" >>$table
        done
    done
done

why='reason="files do not begin at multiples of 2 MiB, as mkfs was run"'
prepare ext4_default fresh
run check/ext4_default check_place 0 /mnt 'verdict="dax"' map_sync=true huge_pages=false "$why" measured \
    says "no pages of 2 MiB: files do not begin"
prepare xfs_default fresh
run check/xfs_default check_place 0 /mnt 'verdict="dax"' map_sync=true huge_pages=false "$why" measured \
    says 'make the file system with "mkfs.xfs -d su=2m,sw=1"'
run table cat $table
