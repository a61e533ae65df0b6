#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Kinds on small real file systems that become full or read-only, or lack features: runs
# file_system_user.c on each.
#
# Usage: file_systems.sh PROGRAM. Environment: MEMKIND_TEST_DIR (optional; for the images, a few
# hundred MB).
#
# btrfs is not tested: a write to a mapped page needs free space there even after fallocate(2), and
# raises SIGBUS without. Mounts are made in a mount namespace. A file system that cannot be mounted
# is skipped by name.

set -euo pipefail

SKIPPED=77
FREE=$((48 << 20)) # free bytes of each file system at the start
LIMIT=120          # seconds for one case
program=$(readlink -f "$1")

. "$(dirname "$0")/../support/own_mounts.bash"

work=$(mktemp -d "${MEMKIND_TEST_DIR:-/tmp}/memkind-test-XXXXXX")
clean_up()
{
    # The mounts below $work, the last first.
    awk -v dir="$work/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
        while read -r mounted; do umount -l "$mounted"; done
    rm -rf "$work"
}
trap clean_up EXIT
mnt=$work/mnt
mkdir "$mnt"
chmod 755 "$work"

# mount_image TYPE MB MKFS...: a file system in a file.
mount_image()
{
    local type=$1 size=$2
    shift 2
    command -v "$1" >/dev/null || { echo "no $1"; return 1; }
    truncate -s "${size}M" "$work/image" && "$@" "$work/image" >/dev/null &&
        mount -t "$type" -o loop "$work/image" "$mnt"
}

mount_overlay()
{
    mkdir -p "$work/layers" && mount -t tmpfs -o size=64m tmpfs "$work/layers" &&
        mkdir "$work/layers/lower" "$work/layers/upper" "$work/layers/work" &&
        mount -t overlay \
        -o "lowerdir=$work/layers/lower,upperdir=$work/layers/upper,workdir=$work/layers/work" \
        overlay "$mnt"
}

# Quotas do not apply to root.
as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"

mount_quota()
{
    $as_nobody true &&
        mount -t tmpfs -o size=256m,usrquota,usrquota_block_hardlimit=48m tmpfs "$mnt"
}

mount_one()
{
    case $1 in
    tmpfs) mount -t tmpfs -o size=32m tmpfs "$mnt" ;;
    tmpfs-quota) mount_quota ;;
    ext4) mount_image ext4 128 mkfs.ext4 -q ;;
    xfs) mount_image xfs 320 mkfs.xfs -q ;;
    overlay) mount_overlay ;;
    esac
}

unmount_one()
{
    ! mountpoint -q "$mnt" || umount "$mnt"
    ! mountpoint -q "$work/layers" || umount "$work/layers"
    rm -f "$work/image"
}

# Allocates all but FREE bytes, so that filling the rest is quick.
leave_free()
{
    local free
    free=$(df --output=avail -B1 "$mnt" | tail -n 1)
    [ "$free" -le $FREE ] || fallocate -l $((free - FREE)) "$mnt/ballast"
}

failures=0
run_cases()
{
    local name status
    mkdir -m 777 "$mnt/dir"
    for name in $("$program"); do
        # A bind mount is needed: the case remounts it read-only.
        [ "$name" != read-only ] || mount --bind "$mnt/dir" "$mnt/dir"
        status=0
        # shellcheck disable=SC2086 # a command and its arguments, or nothing
        { timeout -s KILL $LIMIT $as_user "$program" "$mnt/dir" "$name"; } >"$work/out" 2>&1 ||
            status=$?
        case $status in
        0) echo "$1 $name: passed" ;;
        "$SKIPPED") echo "$1 $name: skipped: $(tail -n 1 "$work/out")" ;;
        *)
            echo "$1 $name: FAILED with status $status: $(tail -n 1 "$work/out")"
            failures=$((failures + 1))
            ;;
        esac
        ! mountpoint -q "$mnt/dir" || umount "$mnt/dir"
    done
}

tried=0
for type in tmpfs tmpfs-quota overlay ext4 xfs; do
    as_user=
    reason=$(mount_one $type 2>&1) || true
    # Otherwise the case would fill the machine's own file system.
    if ! mountpoint -q "$mnt"; then
        echo "$type: skipped: $(echo "${reason:-it cannot be mounted}" | head -n 1)"
        unmount_one
        continue
    fi
    if [ $type = tmpfs-quota ]; then as_user=$as_nobody; else leave_free; fi
    run_cases $type
    unmount_one
    tried=$((tried + 1))
done
[ $tried -gt 0 ] || exit $SKIPPED
[ $failures = 0 ]
