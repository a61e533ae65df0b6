# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Shared by the tests of libmemtier.so.0 and libautohbw.so.0. Environment: MEMTIER_SO, AUTOHBW_SO,
# MEMKIND_TEST_DIR (optional). Sets $work and $pmem, folders that are removed at exit.

set -euo pipefail
export LC_ALL=C
ulimit -c 0

library=$(readlink -f "$MEMTIER_SO")
autohbw=$(readlink -f "$AUTOHBW_SO")
. "$(dirname "${BASH_SOURCE[0]}")/../support/work_folder.bash"
pmem=$work/pmem
mkdir "$pmem"
unset_matching 'MEMKIND_(PRELOAD|ARENA|HOG|DEBUG|BACKGROUND|IDLE|MEM_|HBW|DAX)|AUTO_HBW|LD_'

# tiered TIERS COMMAND...: runs the command on libmemtier.
tiered()
{
    env LD_PRELOAD="$library" MEMKIND_MEM_TIERS="$1" "${@:2}"
}

# quiet_tiered TIERS COMMAND...: the same; nothing may be on stderr.
quiet_tiered()
{
    echo "== $1: ${*:2}"
    tiered "$@" 2>"$work/err" || fail "status $?: $(cat "$work/err")"
    [ ! -s "$work/err" ] || fail "it says: $(cat "$work/err")"
}
