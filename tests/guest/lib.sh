# SPDX-License-Identifier: BSD-2-Clause
# What the scripts that run on the host share; MEMKIND_BUILD_DIR and MEMKIND_SOURCE_DIR are set.

set -eu

guest_source=$MEMKIND_SOURCE_DIR/tests/guest
guest_dir=$MEMKIND_BUILD_DIR/guest
guest_kernel=$guest_dir/kernel # what dpkg -x made of the kernel's package

# skip REASON: ends the test as one that cannot run here, which is a failure
# where MEMKIND_GUEST=required.
skip()
{
    echo "no guest: $*" >&2
    [ "${MEMKIND_GUEST-}" = required ] || exit 77
    exit 1
}

# need PROGRAM PACKAGE: skips where the program is not there.
need()
{
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || skip "no $1 (Debian: $2)"
}
