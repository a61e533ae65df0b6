#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# libautohbw: which blocks go to the kind, its messages, its interface, and invalid settings. The
# distribution has no libautohbw for comparison. Environment also: AUTOHBW, ODD.

. "$(dirname "$0")/lib.sh"

# sizes EXPECTED [NAME=VALUE...]: checks which of nine sizes go to the kind.
sizes()
{
    echo "== ${*:2}: $1"
    env AUTO_HBW_LOG=-1 "${@:2}" LD_PRELOAD="$autohbw" "$AUTOHBW" sizes \
        >"$work/out" 2>"$work/err" ||
        fail "$(cat "$work/err")"
    [ "$(cat "$work/out")" = "$1" ] && [ ! -s "$work/err" ] || fail "$(cat "$work/out" "$work/err")"
}

# 100, 4K, 4K + 1, 1M - 1, 1M, 1M + 1, 5M - 1, 5M, 5M + 1
sizes 000011111
sizes 001111111 AUTO_HBW_SIZE=4K
sizes 001111111 AUTO_HBW_SIZE=4096:
sizes 000001100 AUTO_HBW_SIZE=1M:5M
sizes 111111111 AUTO_HBW_SIZE=0
sizes 000000000 AUTO_HBW_SIZE=1G:2G

for kind in DEFAULT INTERLEAVE; do
    sizes 000011111 AUTO_HBW_MEM_TYPE=MEMKIND_$kind
done
if [ -e /sys/devices/system/node/node0/meminfo ]; then
    for kind in HBW HBW_ALL HBW_PREFERRED HBW_INTERLEAVE; do
        sizes 000011111 AUTO_HBW_MEM_TYPE=MEMKIND_$kind MEMKIND_HBW_NODES=0
    done
fi

# says PATTERN LINES [NAME=VALUE...]: expects so many lines on stderr, all of which match.
says()
{
    echo "== ${*:3}"
    env "${@:3}" LD_PRELOAD="$autohbw" "$AUTOHBW" api 2>"$work/err" || fail "$(cat "$work/err")"
    [ "$(wc -l <"$work/err")" = "$2" ] && ! grep -vE "$1" "$work/err" ||
        fail "it says: $(cat "$work/err")"
}

info='autohbw: INFO: blocks of 1048576 bytes and more go to memkind_(default|hbw_preferred)'
line='autohbw: (malloc|calloc|memalign|realloc) of [0-9]+ bytes in memkind_[a-z_]* at 0x[0-9a-f]+'
line+=', [0-9]+ MiB free'
says . 0 AUTO_HBW_LOG=-1
says "^$info\$" 1 AUTO_HBW_LOG=0
# The lines of the start and the end, of one block, and of its growth.
says "^($info|$line)\$" 13 AUTO_HBW_LOG=1
says "^($info|$line)\$" 13
says "^($info|autohbw: INFO: there is (some|no) memory of high bandwidth)\$" 2 AUTO_HBW_LOG=0 \
    AUTO_HBW_DEBUG=1
AUTO_HBW_LOG=2 LD_PRELOAD=$autohbw "$AUTOHBW" api 2>"$work/err" || fail "$(cat "$work/err")"
[ "$(grep -cE "^$line\$" "$work/err")" = 12 ] && [ "$(grep -c "^$AUTOHBW(" "$work/err")" -ge 12 ] ||
    fail "no callers: $(cat "$work/err")"
AUTO_HBW_LOG=-1 AUTO_HBW_DEBUG=2 LD_PRELOAD=$autohbw "$AUTOHBW" api 2>"$work/err" ||
    fail "$(cat "$work/err")"
grep -qx 'autohbw: free of 0x[0-9a-f]*' "$work/err" || fail "frees are not told"

# wrong PATTERN NAME=VALUE...: expects one line and libc's malloc; under STRICT, the end of the
# process.
wrong()
{
    local status=0
    echo "== ${*:2}: $1"
    env "${@:2}" LD_PRELOAD="$autohbw" "$ODD" libc 2>"$work/err" ||
        fail "does not go on: $(cat "$work/err")"
    [ "$(wc -l <"$work/err")" = 1 ] &&
        grep -q "^autohbw: .*$1.*; libc's malloc is used\$" "$work/err" ||
        fail "it says: $(cat "$work/err")"
    env "${@:2}" LD_PRELOAD="$autohbw" MEMKIND_PRELOAD_STRICT=1 "$ODD" libc 2>"$work/err" ||
        status=$?
    [ $status = 125 ] || fail "under STRICT the status is $status"
}

for value in '' x -1 1Q 5M:1M 1M:1M 1M:x :5M 18446744073709551615; do
    wrong "AUTO_HBW_SIZE=$value is not a size" AUTO_HBW_SIZE="$value"
done
for value in '' x -2 3 1x; do
    wrong "AUTO_HBW_LOG=$value is not a number from -1 to 2" AUTO_HBW_LOG="$value"
done
for value in '' x -1 3; do
    wrong "AUTO_HBW_DEBUG=$value is not a number from 0 to 2" AUTO_HBW_DEBUG="$value"
done
for value in '' HBW memkind_hbw MEMKIND_PMEM; do
    wrong "AUTO_HBW_MEM_TYPE=$value is not a kind" AUTO_HBW_MEM_TYPE="$value"
done
# The kind's page size has no pages in the pool.
grep -qs '[1-9]' /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages ||
    wrong 'no memory of memkind_gbtlb' AUTO_HBW_MEM_TYPE=MEMKIND_GBTLB
wrong 'no memory of memkind_hbw' AUTO_HBW_MEM_TYPE=MEMKIND_HBW MEMKIND_HBW_NODES=x

for name in before exit family aligned threads dlopen descriptors fork fork-libc fork-threads exec \
    kind; do
    echo "== $name"
    AUTO_HBW_LOG=-1 AUTO_HBW_SIZE=0 LD_PRELOAD=$autohbw "$ODD" $name >"$work/out" 2>"$work/err" ||
        fail "$name: $(cat "$work/err")"
done
AUTO_HBW_LOG=-1 AUTO_HBW_SIZE=0 LD_PRELOAD=$autohbw "$TIERS" late || fail "late destructors"
if [ -e /sys/devices/system/node/node0/meminfo ]; then
    for name in aligned threads fork fork-threads kind; do
        echo "== $name on nodes"
        AUTO_HBW_LOG=-1 AUTO_HBW_SIZE=0 AUTO_HBW_MEM_TYPE=MEMKIND_HBW MEMKIND_HBW_NODES=0 \
            LD_PRELOAD=$autohbw "$ODD" $name >"$work/out" 2>"$work/err" ||
            fail "$name: $(cat "$work/err")"
    done
fi
for command in "python3 -c 'print(len([bytes(3 << 20) for i in range(20)]))'" \
    "bash -c 'echo \${BASH_VERSION}'"; do
    command -v "${command%% *}" >/dev/null || continue
    [ "$(AUTO_HBW_LOG=-1 LD_PRELOAD=$autohbw sh -c "$command")" = "$(sh -c "$command")" ] ||
        fail "$command"
done
