# SPDX-License-Identifier: BSD-2-Clause
# Device DAX: memory that the firmware has reserved, of which Linux makes a device by itself (as
# with CXL memory), and an NVDIMM namespace in devdax mode; then both as system RAM, each on a node.
#
# QEMU: -smp 2 -m 2G,slots=2,maxmem=8G
# QEMU: -object memory-backend-ram,id=near,size=2G -numa node,nodeid=0,cpus=0-1,memdev=near -numa
# QEMU: node,nodeid=1
# QEMU: -object memory-backend-memfd,id=dimm,size=256M,share=on -device nvdimm,memdev=dimm,node=1
# KERNEL: memmap=128M%0x60000000-1+0xefffffff
# SECONDS: 180

# dax_of MIB: waits for the DAX device of at most that size and at least three quarters of it.
dax_of()
{
    tries=0
    while [ "$tries" -lt 300 ]; do
        for dax in /sys/bus/dax/devices/*; do
            [ -e "$dax/size" ] || continue
            mib=$(($(cat "$dax/size") >> 20))
            if [ "$mib" -le "$1" ] && [ "$mib" -ge $(($1 * 3 / 4)) ] &&
                [ -e "/dev/${dax##*/}" ]; then
                echo "/dev/${dax##*/}"
                return 0
            fi
        done
        tries=$((tries + 1))
        usleep 100000
    done
    echo "no DAX device of $1 MiB" >&2
    return 1
}

bytes_of() { cat "/sys/bus/dax/devices/${1#/dev/}/size"; }
mib_of() { echo $(($(bytes_of "$1") >> 20)); }
kib_of() { echo $(($(cat "/sys/bus/dax/devices/${1#/dev/}/align") >> 10)); }

modprobe -a nfit nd_pmem device_dax dax_pmem dax_hmem
device pmem 256 >/dev/null
ndctl create-namespace -f -e namespace1.0 -m devdax -a 2M
reserved=$(dax_of 128)
nvdimm=$(dax_of 256)

run device/reserved /tests/guest/test_device "$reserved" "$(mib_of "$reserved")" \
    "$(kib_of "$reserved")"
run device/nvdimm /tests/guest/test_device "$nvdimm" "$(mib_of "$nvdimm")" "$(kib_of "$nvdimm")"
run check/reserved check_place 0 "$reserved" 'verdict="dax"' 'type="devdax"' map_sync=true \
    hole_punching=false huge_pages=true 'reason=""' numa_node=0 "size=$(bytes_of "$reserved")" \
    "free=$(bytes_of "$reserved")" says \
    "$reserved: DAX. No action needed: a kind takes as much of the device as its limit"
run check/nvdimm check_place 0 "$nvdimm" 'verdict="dax"' 'type="devdax"' map_sync=true \
    hole_punching=false huge_pages=true 'reason=""' numa_node=1 "size=$(bytes_of "$nvdimm")" \
    "free=$(bytes_of "$nvdimm")" says \
    "$nvdimm: DAX. No action needed: a kind takes as much of the device as its limit"
run run/range memkind-pmem run --dir "$nvdimm" --size 64M -- /tests/preload/heap_place "$nvdimm" \
    range
run run/all memkind-pmem run --dir "$nvdimm" -- /tests/preload/heap_place "$nvdimm" dram
export MEMKIND_TEST_DIR=$nvdimm STRESS_SECONDS=3 STRESS_SLOTS=50
run device/threads /tests/stress/test_threads

# The device becomes memory of node 1, and no kind can be created on it any more.
unset MEMKIND_TEST_DIR
modprobe kmem
run online/dax_kmem /tests/guest/test_online dax_kmem 1 \
    "daxctl reconfigure-device --mode=system-ram ${nvdimm#/dev/}"
[ "$(cat /sys/devices/system/node/has_memory)" = 0-1 ]
run nodes/system_ram /tests/guest/test_nodes
run nodes/no_device /tests/guest/test_no_device "$nvdimm"
run check/system_ram check_place 2 "$nvdimm" 'verdict="useless"' 'reason=".+"' \
    'advice=".*--mode=devdax.* gives it back.*"' says "cannot be used ("
export MEMKIND_DAX_KMEM_NODES=1
run nodes/listed /tests/guest/test_nodes
run nodes/api /tests/api/test_node_kinds
