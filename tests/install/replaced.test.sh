#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Programs of each sort (PMEM, hbwmalloc.h, memtier) that were built with the distribution's
# packages of memkind run on this library's packages, which replace those, and print the same. So do
# the commands, and programs under libmemtier.so.0.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CC, CMAKE. Skipped if the packages cannot be
# downloaded.

set -euo pipefail

# shellcheck source=tests/install/packages.bash
. "$(dirname "$0")/packages.bash"

need apt-get
unset LD_LIBRARY_PATH LD_PRELOAD
unset MEMKIND_ARENA_NUM_PER_KIND MEMKIND_HOG_MEMORY MEMKIND_DEBUG MEMKIND_HBW_THRESHOLD \
    MEMKIND_PMEM_FORK
theirs=$MEMKIND_BUILD_DIR/memkind-packages

echo "== the distribution's packages"
# Downloaded once for a build tree.
if [ ! -e "$theirs" ]; then
    mkdir "$work/download"
    (cd "$work/download" &&
        apt-get -qq -o APT::Sandbox::User=root download libmemkind0 libmemkind-dev \
        libmemkind-progs) >"$work/log" 2>&1 ||
        { cat "$work/log"; skip "memkind's packages cannot be downloaded"; }
    mv "$work/download" "$theirs"
fi
make_root
for library in libc6 libnuma1 libdaxctl1 libhwloc15; do
    stub "$library" 999
done
in_root --install "$work"/stubs/*.deb "$theirs"/*.deb
for package in libmemkind0 libmemkind-dev libmemkind-progs; do
    [ "$(state $package)" = installed ] || fail "$package is $(state $package)"
done
lib=$(dirname "$(find "$root/usr/lib" -name libmemkind.so.0)")
readelf -dW "$lib/libmemkind.so.0" | grep -q 'NEEDED.*libhwloc' || fail "this is not memkind"

echo "== programs that are built with them"
for program in pmem hbw memtier; do
    source=$here/programs/$program.c
    [ $program != pmem ] || source=$here/../api/unchanged_program.c
    quietly "$cc" -std=gnu11 -D_GNU_SOURCE -O1 -I"$root/usr/include" "$source" -o "$work/$program" \
        -L"$lib" -lmemkind -pthread
done

# run_all NAME: writes the programs' output to $work/NAME.PROGRAM.
run_all()
{
    local program
    for program in pmem hbw memtier; do
        # Node 0 is declared to be of high bandwidth.
        MEMKIND_HBW_NODES=0 LD_BIND_NOW=1 LD_LIBRARY_PATH=$lib "$work/$program" "$memory" \
            >"$work/$1.$program" 2>"$work/err" || { cat "$work/err"; fail "$program on $1"; }
        [ -s "$work/$1.$program" ] || fail "$program prints nothing on $1"
    done
}

# run_commands NAME: writes the output and exit status of memkind's commands to $work/NAME.commands.
run_commands()
{
    local status command
    for command in memkind-hbw-nodes memkind-auto-dax-kmem-nodes; do
        status=0
        MEMKIND_HBW_NODES=0 MEMKIND_DAX_KMEM_NODES=0 LD_LIBRARY_PATH=$lib "$root/usr/bin/$command" \
            || status=$?
        echo "$command: $status"
    done >"$work/$1.commands" 2>&1
}

run_all memkind
run_commands memkind

echo "== replaced by this library's packages"
make_packages
replace_by_ours libmemkind0 libmemkind-dev libmemkind-progs
lib=$(dirname "$(find "$root/usr/lib" -name libmemkind.so.0)")
! readelf -dW "$lib/libmemkind.so.0" | grep -q 'NEEDED.*libhwloc' || fail "this is still memkind"
run_all ours
run_commands ours
for what in pmem hbw memtier commands; do
    diff "$work/memkind.$what" "$work/ours.$what" || fail "$what: not what it prints on memkind (<)"
    echo "$what: $(wc -l <"$work/ours.$what") lines agree"
done
# The commands find the library where the packages put it, without the environment.
"$root/usr/bin/memkind-hbw-nodes" --help >"$work/log" 2>&1 || [ $? = 2 ] ||
    { cat "$work/log"; fail "a command"; }

# No comparison with memkind's: under it, cat(1) and sed(1) of this system crash.
echo "== a program under libmemtier.so.0"
tiers="KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$memory,PMEM_SIZE_LIMIT:0,RATIO:4;POLICY:STATIC_RATIO"
preloaded()
{
    LD_LIBRARY_PATH=$lib LD_BIND_NOW=1 LD_PRELOAD=$lib/libmemtier.so.0 MEMKIND_MEM_TIERS=$tiers "$@"
}
seq 50000 | sort -n -r >"$work/sorted"
seq 50000 | preloaded sort -n -r | cmp - "$work/sorted" || fail "sort"
preloaded cat /proc/self/maps >"$work/maps" || fail "cat"
for mapped in "$lib/libmemtier.so.0" "$lib/libmemkind.so.0" "$(realpath "$memory")/.*(deleted)"; do
    grep -q " $mapped" "$work/maps" || { cat "$work/maps"; fail "nothing of $mapped is mapped"; }
done
# Node 0 is declared to be a device's, so that there is a second tier.
MEMKIND_DAX_KMEM_NODES=0 "$root/usr/bin/memtier" cat /proc/self/maps >"$work/maps" || fail "memtier"
grep -q " $lib/libmemtier.so.0" "$work/maps" ||
    { cat "$work/maps"; fail "memtier preloads another library, or none"; }

echo passed
