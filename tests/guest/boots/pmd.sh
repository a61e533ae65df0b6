# SPDX-License-Identifier: BSD-2-Clause
# The share of a heap of 256 MiB that is mapped by 2 MiB entries: asserted for new file systems made
# as recommended, printed for others, and the output of memkind-pmem on those.
#
# States: fresh; used: files were written until the file system was full, and removed; worn: one
# file of eight still exists; pieces: each free piece is smaller than 2 MiB.
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

# leave_pieces: fills the file system with files of 1 MiB and removes every second one.
leave_pieces()
{
    files=0
    while fallocate -l $((1 << 20)) "/mnt/$files" 2>/dev/null; do
        files=$((files + 1))
    done
    seq 0 2 $files | sed 's,^,/mnt/,' | xargs rm -f
    sync
}

# prepare MAKE STATE: mounts a file system at /mnt.
prepare()
{
    umount /mnt 2>/dev/null || true # the first time nothing is mounted
    $1
    case $2 in
    used) /tests/guest/use_up /mnt 0 ;;
    worn) /tests/guest/use_up /mnt 8 ;;
    pieces) leave_pieces ;;
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
            *_recommended-fresh) continue ;; # asserted above
            xfs_default-*) [ $state = fresh ] || continue ;; # no better than fresh
            esac
            prepare $make $state
            /tests/guest/pmd_share /mnt $size "$make, $state" >>$table
        done
    done
done

# A heap on ext4 gets such pages even without the options, and on a used file system.
prepare ext4_default fresh
run check/ext4_default check_place 0 /mnt 'verdict="dax"' map_sync=true huge_pages=true \
    'reason=""' measured
prepare ext4_default worn
run check/ext4_worn check_place 0 /mnt 'verdict="dax"' map_sync=true huge_pages=true 'reason=""' \
    measured
prepare xfs_default fresh
why='reason="mkfs was not told to begin files at multiples of 2 MiB"'
run check/xfs_default check_place 0 /mnt 'verdict="dax"' map_sync=true huge_pages=false "$why" \
    measured says 'make the file system with "mkfs.xfs -d su=2m,sw=1"'
prepare ext4_recommended pieces
why='reason="the free space is in small pieces"'
run check/ext4_pieces check_place 0 /mnt 'verdict="dax"' map_sync=true huge_pages=false "$why" \
    measured says \
    "no pages of 2 MiB: the free space is in small pieces). For pages of 2 MiB, delete files"
run table cat $table
