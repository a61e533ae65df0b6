# SPDX-License-Identifier: BSD-2-Clause
# Shared by the scripts that run on the host. MEMKIND_BUILD_DIR and MEMKIND_SOURCE_DIR are set.

set -eu

guest_source=$MEMKIND_SOURCE_DIR/tests/guest
guest_dir=$MEMKIND_BUILD_DIR/guest
guest_kernel=$guest_dir/kernel # the kernel's package, unpacked by dpkg -x

# skip REASON: skips the test, or fails it if MEMKIND_GUEST=required.
skip()
{
    echo "no guest: $*" >&2
    [ "${MEMKIND_GUEST-}" = required ] || exit 77
    exit 1
}

# need PROGRAM PACKAGE: skips the test if the program is missing.
need()
{
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || skip "no $1 (Debian: $2)"
}
