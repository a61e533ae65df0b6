#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memtier(1): its options, the variables that it sets, its messages, and its exit status. If the
# distribution's libmemkind-progs is installed, memkind's own memtier must behave the same.
# Environment also: MEMTIER.

. "$(dirname "$0")/lib.sh"

theirs=$(command -v memtier || true)
asked=0
# printenv(1) prints the variables that memtier sets.
printenv=$(command -v printenv) || skip "no printenv"

# ask PROGRAM: runs it with stdout in $work/out, without paths of libraries; sets $status.
ask()
{
    status=0
    "$1" "${arguments[@]}" >"$work/stdout" 2>"$work/err" || status=$?
    sed 's,^\(setting \|\)LD_PRELOAD=.*,\1LD_PRELOAD=...,' "$work/stdout" >"$work/out"
    grep -v '^ERROR: ld.so\|^setting LD_PRELOAD' "$work/err" >"$work/said" || true
}

# expect STATUS OUT SAID ARGUMENT...: expects OUT on stdout ("help": the help text), and SAID on
# stderr.
expect()
{
    local wanted=$1 out=$2 said=$3
    arguments=("${@:4}")
    echo "== memtier ${arguments[*]}"
    ask "$MEMTIER"
    [ "$status" = "$wanted" ] || fail "exit status $status: $(cat "$work/err")"
    [ "$(cat "$work/said")" = "$said" ] || fail "it says: $(cat "$work/said")"
    if [ "$out" = help ]; then
        [ "$(wc -l <"$work/out")" = 10 ] && grep -q -- '-t/--threshold' "$work/out" ||
            fail "it prints: $(cat "$work/out")"
    else
        [ "$(cat "$work/out")" = "$out" ] || fail "it prints: $(cat "$work/out")"
    fi
    [ -n "$theirs" ] || return 0
    asked=$((asked + 1))
    ask "$theirs"
    [ "$status" = "$wanted" ] || fail "memkind's exit status is $status"
    [ "$(sed "s,^$theirs: ,$MEMTIER: ," "$work/said")" = "$said" ] ||
        fail "memkind's says: $(cat "$work/said")"
    [ "$out" = help ] || [ "$(cat "$work/out")" = "$out" ] ||
        fail "memkind's prints: $(cat "$work/out")"
}

colon='memtier: --ratio must have a colon between values.'
two='memtier: --ratio must have exactly two values in this version of memtier.'
implausible="memtier: the number to --ratio doesn't seem to be plausible."
both='memtier: --threshold requires multiple tiers with non-zero ratios.'

expect 0 help '' -h
expect 0 help '' --help
expect 0 help '' -h -r 1
expect 1 help 'Usage: memtier [options] command [args]' -r 1:4
expect 1 help 'Usage: memtier [options] command [args]' -v -r 1:0
expect 1 help "$MEMTIER: invalid option -- 'x'" -x
expect 1 help "$MEMTIER: option requires an argument -- 'r'" -r
for ratio in 1 '' a:b 1x:4; do
    expect 1 '' "$colon" -r "$ratio" true
done
for ratio in 1:2:3 '1:4 ' 1:4x; do
    expect 1 '' "$two" -r "$ratio" true
done
for ratio in -1:4 99999999999999999999999:1; do
    expect 1 '' "$implausible" -r "$ratio" true
done
expect 1 '' 'memtier: empty ratio would disallow using any memory.' -r 0:0 true
expect 1 '' "$both" -r 1:0 -t x
expect 1 '' "$both" -r 0:1 --threshold=INIT_VAL:64 true
expect 1 '' 'memtier: couldn'"'"'t exec ｢/nonexistent｣: No such file or directory' -r 1:0 \
    /nonexistent
expect 1 '' 'memtier: couldn'"'"'t exec ｢/etc/passwd｣: Permission denied' -r 1:0 /etc/passwd
if [ ! -e /sys/bus/dax/drivers/kmem ]; then
    expect 1 '' 'memtier: there appears to be no KMEM_DAX devices installed in this system.'
    expect 1 '' 'memtier: there appears to be no KMEM_DAX devices installed in this system.' -t x \
        true
fi
expect 7 '' '' -r 1:0 sh -c 'exit 7'

# sets TIERS THRESHOLDS ARGUMENT...: expects these variables for libmemtier; "" for none. memtier
# itself does not search for nodes.
sets()
{
    expect 0 "${1}${2:+$'\n'$2}" '' "${@:3}" env -u LD_PRELOAD "$printenv" MEMKIND_MEM_TIERS \
        ${2:+MEMKIND_MEM_THRESHOLDS}
}

if [ -e /sys/devices/system/node/node0/meminfo ]; then
    # env(1), which memtier starts, already runs on libmemtier.
    export MEMKIND_DAX_KMEM_NODES=0
    sets 'KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO' '' -r 5:0
    sets 'KIND:KMEM_DAX,RATIO:1;POLICY:STATIC_RATIO' '' -r 0:7
    sets 'KIND:DRAM,RATIO:1;KIND:KMEM_DAX,RATIO:4;POLICY:STATIC_RATIO' '' -r 1:4
    sets 'KIND:DRAM,RATIO:16;KIND:KMEM_DAX,RATIO:4;POLICY:STATIC_RATIO' '' -r 0x10:4
    sets 'KIND:DRAM,RATIO:2;KIND:KMEM_DAX,RATIO:3;POLICY:DYNAMIC_THRESHOLD' INIT_VAL:600 \
        --thr=INIT_VAL:600 --ratio 2:3
    # Both kinds are as large as node 0.
    sets 'KIND:DRAM,RATIO:1;KIND:KMEM_DAX,RATIO:1;POLICY:STATIC_RATIO' ''

    echo "== memtier -v: what is set, and the program runs on the library"
    "$MEMTIER" -v -r 1:4 -t INIT_VAL:600 cat /proc/self/maps >"$work/out" 2>"$work/err" ||
        fail "$(cat "$work/err")"
    grep -q "$library" "$work/out" || fail "the program did not load the library"
    diff - <(sed 's,/[^=]*/,/,' "$work/err") <<'END' || fail "it says something else"
setting LD_PRELOAD=/libmemtier.so.0
setting MEMKIND_MEM_TIERS=KIND:DRAM,RATIO:1;KIND:KMEM_DAX,RATIO:4;POLICY:DYNAMIC_THRESHOLD
setting MEMKIND_MEM_THRESHOLDS=INIT_VAL:600
END
    "$MEMTIER" -v true 2>"$work/err"
    grep -qE '^Installed capacities: ([0-9]+):\1$' "$work/err" || fail "it says: $(cat "$work/err")"
    grep -qx 'Using ratio of DRAM:KMEM_DAX 1:1' "$work/err" || fail "it says: $(cat "$work/err")"

    echo "== another library stays preloaded"
    LD_PRELOAD=$autohbw AUTO_HBW_LOG=-1 "$MEMTIER" -r 1:0 cat /proc/self/environ |
        tr '\0' '\n' >"$work/out"
    grep -qx "LD_PRELOAD=.*/libmemtier.so.0:$autohbw" "$work/out" ||
        fail "$(grep LD_PRELOAD "$work/out")"
fi

echo "== a library that cannot be preloaded, and none"
mkdir "$work/with space" "$work/alone"
cp "$MEMTIER" "$library" "$work/with space"
mv "$work/with space/$(basename "$library")" "$work/with space/libmemtier.so.0"
cp "$MEMTIER" "$work/alone"
! "$work/with space/memtier" -r 1:0 true 2>"$work/err" || fail "it runs"
grep -q '^memtier: there is a space or a colon in the path of libmemtier.so.0' "$work/err" ||
    fail "$(cat "$work/err")"
! "$work/alone/memtier" -r 1:0 true 2>"$work/err" || fail "it runs"
grep -q '^memtier: libmemtier.so.0 is neither beside this program nor in ' "$work/err" ||
    fail "$(cat "$work/err")"
echo "$asked questions were asked of memkind's too"
