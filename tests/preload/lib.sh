# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Shared by the tests of the preload library. Environment: MEMKIND_PRELOAD_SO, MEMKIND_TEST_DIR
# (optional).

set -euo pipefail
export LC_ALL=C

library=$(readlink -f "$MEMKIND_PRELOAD_SO")
if [ -z "${MEMKIND_TEST_DIR:-}" ]; then
    MEMKIND_TEST_DIR=/tmp
    [ -w /dev/shm ] && MEMKIND_TEST_DIR=/dev/shm
fi
work=$(mktemp -d "$MEMKIND_TEST_DIR/preload-test.XXXXXX")
mkdir "$work/pmem"
trap 'rm -rf "$work"' EXIT
for variable in \
    $(compgen -e MEMKIND_ | grep -E '^MEMKIND_(PRELOAD|ARENA|HOG|DEBUG|BACKGROUND|IDLE)'); do
    unset "$variable"
done

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

skip()
{
    echo "skipped: $*"
    exit 77
}

# preloaded [NAME=VALUE...] COMMAND...: runs the command on the library, with these variables
# without their prefix MEMKIND_PRELOAD_.
preloaded()
{
    env LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1 "$@"
}

# number FILE KEY: prints the first number of that name in a file of statistics.
number()
{
    sed -n "s/^ *\"$2\": \([0-9]*\),*$/\1/p" "$1" | head -n 1
}
