#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Programs that are linked with libmemtier: with the static library, and with the shared one.
#
# Environment also: MEMTIER_A, MEMKIND_SO, MEMKIND_SOURCE_DIR, CC.

. "$(dirname "$0")/lib.sh"

folder=$(dirname "$MEMKIND_SO")
tests=$MEMKIND_SOURCE_DIR/tests
tiers="KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$pmem,RATIO:4;POLICY:STATIC_RATIO"
export LD_LIBRARY_PATH=$folder:$(dirname "$library")

# build NAME SOURCE LIBRARY
build()
{
    "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -fno-builtin -I"$MEMKIND_SOURCE_DIR/include" \
        -I"$tests/support" -o "$work/$1" "$tests/$2" "$3" -L"$folder" -lmemkind -pthread -ldl
}

# expect ARGUMENT...: expects success on these tiers, and nothing on stderr.
expect()
{
    echo "== $*"
    MEMKIND_MEM_TIERS=$tiers "$@" 2>"$work/err" || fail "status $?: $(cat "$work/err")"
    [ ! -s "$work/err" ] || fail "it says: $(cat "$work/err")"
}

for form in static shared; do
    file=$MEMTIER_A
    [ $form = static ] || file=$library
    build tiers_$form interposers/tiers.c "$file"
    build odd_$form preload/odd.c "$file"
    expect "$work/tiers_$form" ratio 1 4
    expect "$work/tiers_$form" late
    for name in exit family aligned threads descriptors fork fork-libc fork-threads kind; do
        expect "$work/odd_$form" $name
    done
    status=0
    { "$work/tiers_$form" late 2>"$work/err"; } 2>/dev/null || status=$?
    [ $status = 134 ] && grep -q 'Missing MEMKIND_MEM_TIERS env var' "$work/err" ||
        fail "status $status: $(cat "$work/err")"
done
! readelf -dW "$work/tiers_static" | grep libmemtier || fail "the program needs the shared library"
expect "$work/tiers_shared" names
[ -z "$(ls -A "$pmem")" ] || fail "left behind: $(ls -A "$pmem")"
