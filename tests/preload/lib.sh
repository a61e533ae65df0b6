# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Shared by the tests of the preload library. Environment: MEMKIND_PRELOAD_SO, MEMKIND_TEST_DIR
# (optional).

set -euo pipefail
export LC_ALL=C

library=$(readlink -f "$MEMKIND_PRELOAD_SO")
. "$(dirname "${BASH_SOURCE[0]}")/../support/work_folder.bash"
mkdir "$work/pmem"
unset_matching 'MEMKIND_(PRELOAD|ARENA|HOG|DEBUG|BACKGROUND|IDLE)'

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
