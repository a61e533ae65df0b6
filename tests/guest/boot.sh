#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts the guest for boots/NAME.sh and waits until it switches itself off. Its results are then in
# <build>/guest/NAME.results. Usage: boot.sh NAME
#
# Comments of boots/NAME.sh configure the guest: "# QEMU:" options of the machine, "# KERNEL:"
# parameters, "# SECONDS:" the time limit. Needs neither KVM nor root, network or a disk.

# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

name=$1
boot=$guest_source/boots/$name.sh
console=$guest_dir/$name.console
results=$guest_dir/$name.results

# setting KEY: prints the values of the boot file's lines "# KEY: ...".
setting()
{
    sed -n "s/^# $1: //p" "$boot" | paste -s -d " "
}

rm -f "$console" "$results"
[ -f "$guest_dir/initramfs" ] || skip "there is no guest, see the test guest/pack"
read -ra machine <<<"$(setting QEMU)"

# SECONDS is for an idle machine. -cpu max is twice as fast as qemu64; a second processor costs a
# second.
status=0
# no_timer_check: on a busy host the timer may tick too late for the kernel's check, which would
# panic.
timeout -k 5 "$((4 * $(setting SECONDS)))" qemu-system-x86_64 \
    -nodefaults -no-user-config -display none -no-reboot \
    -machine q35,nvdimm=on -accel tcg -cpu max "${machine[@]}" \
    -serial "file:$console" -serial "file:$results" \
    -kernel "$guest_kernel"/boot/vmlinuz-* -initrd "$guest_dir/initramfs" \
    -append "console=ttyS0 panic=-1 quiet no_timer_check guest_boot=$name $(setting KERNEL)" ||
    status=$?

if ! grep -q '^=== done' "$results"; then
    cat "$console" "$results"
    echo "=== the guest did not come to its end: qemu's exit status is $status" >&2
    exit 1
fi
grep '^=== end' "$results"
