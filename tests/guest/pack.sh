#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the guest: a kernel from the distribution's package, which is unpacked in the build tree
# and not installed, and an initramfs with this machine's tools and the programs of the build tree.

# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

export PATH="$PATH:/usr/sbin:/sbin"
packages='^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' # has all DAX drivers and starts in seconds

# Modules, to which modules.dep adds those that they need. ext4 and tmpfs are built in.
modules="nd_pmem nd_e820 nfit virtio_pci virtio_pmem xfs overlay device_dax dax_pmem dax_hmem kmem"

# Tools that tests in the guest call, besides those of busybox.
tools="mkfs.ext4 mkfs.xfs ndctl daxctl"

# -- The kernel ------------------------------------------------------------------------------------

# newest_package [APT-OPTION...]: prints the newest kernel package that apt-get can download.
newest_package()
{
    apt-cache "$@" search --names-only "$packages" | sort -V | tail -n 1 | cut -d ' ' -f 1
}

# Most containers have no package lists. They are then fetched to a private folder, which does not
# need root.
own_lists()
{
    mkdir -p lists/partial cache/archives/partial
    options=(-o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" \
        -o APT::Sandbox::User=root)
    apt-get -qq "${options[@]}" update || true
}

download()
{
    options=(-o APT::Sandbox::User=root)
    package=$(newest_package)
    if [ -z "$package" ] || ! apt-get -qq "${options[@]}" download "$package"; then
        own_lists
        package=$(newest_package "${options[@]}")
        [ -n "$package" ] || skip "apt-get knows no kernel like $packages"
        apt-get -qq "${options[@]}" download "$package" || skip "$package cannot be downloaded"
    fi
}

unpack_kernel()
{
    [ ! -e "$guest_kernel" ] || return 0
    need apt-get apt
    need depmod kmod
    rm -rf "$guest_dir/fetch"
    mkdir -p "$guest_dir/fetch"
    cd "$guest_dir/fetch"
    download
    dpkg -x "$package"_*.deb kernel
    depmod -b "$PWD/kernel" "$(ls kernel/lib/modules)"
    mv kernel "$guest_kernel"
    cd "$guest_dir"
    rm -rf fetch
}

# -- The initramfs ---------------------------------------------------------------------------------

# add_program FILE TARGET: copies the program and the shared libraries that it loads.
add_program()
{
    install -D "$1" "$root/$2"
    ldd "$1" 2>/dev/null | sed -n 's/^.*[[:space:]]\(\/[^ ]*\) (0x.*$/\1/p' |
        while read -r library; do
        case $library in
        "$MEMKIND_BUILD_DIR"/*) continue ;; # the library has its own place
        esac
        [ -e "$root/$library" ] || install -D "$library" "$root/$library"
    done
}

add_modules()
{
    release=$(ls "$guest_kernel/lib/modules")
    for module in $modules; do
        modprobe -C /dev/null -d "$guest_kernel" -S "$release" --show-depends "$module"
    done | sed -n 's/^insmod \([^ ]*\).*$/\1/p' | sort -u | while read -r file; do
        install -D -m 644 "$file" "$root/${file#"$guest_kernel"}"
    done
    cp "$guest_kernel/lib/modules/$release/modules.dep" "$root/lib/modules/$release/"
}

add_tools()
{
    install -D "$(command -v busybox)" "$root/bin/busybox"
    for tool in $tools; do
        add_program "$(command -v "$tool")" "bin/$tool"
    done
    install -D -m 644 /etc/mke2fs.conf "$root/etc/mke2fs.conf"
    # A missing tool is reported by the test that needs it.
    for tool in redis-server redis-cli; do
        [ -z "$(command -v $tool)" ] || add_program "$(command -v $tool)" "bin/$tool"
    done
}

# memkind itself, for comparison. If it is missing, the tests that need it report that.
add_peer()
{
    peer=$(ldconfig -p | sed -n 's/^.*libmemkind\.so\.0 .*=> //p' | head -n 1)
    [ -z "$peer" ] || add_program "$peer" peer/libmemkind.so.0
}

# The library that libmemkind loads for a DAX device, which ldd does not list.
add_loaded()
{
    daxctl=$(ldconfig -p | sed -n 's/^.*libdaxctl\.so\.1 .*x86-64.*=> //p' | head -n 1)
    [ -n "$daxctl" ] || skip "no libdaxctl.so.1 (Debian: libdaxctl1)"
    add_program "$daxctl" "$daxctl"
}

# The commands, and the libraries that they expect beside themselves.
add_command()
{
    for file in memkind-pmem libmemkind-preload.so memtier libmemtier.so.0 libautohbw.so.0; do
        add_program "$MEMKIND_BUILD_DIR/src/preload/$file" "bin/$file"
    done
    install "$guest_source"/{check_place,check_nodes,fork_pause,set_memory,redis_on_node} \
        "$root/bin/"
}

add_tests()
{
    for program in "$MEMKIND_BUILD_DIR"/tests/{api,stress,cpp,guest}/* \
        "$MEMKIND_BUILD_DIR"/tests/unit/test_{freeze,freeze_failures,take_over,thaw} \
        "$MEMKIND_BUILD_DIR"/tests/bench/fork \
        "$MEMKIND_BUILD_DIR"/tests/preload/{heap_place,heap_nodes,directories}; do
        if [ -f "$program" ] && [ -x "$program" ]; then
            add_program "$program" "tests/${program#"$MEMKIND_BUILD_DIR"/tests/}"
        fi
    done
    add_program "$MEMKIND_SO" usr/lib/x86_64-linux-gnu/libmemkind.so.0
    install "$guest_source/init" "$root/init"
    cp -r "$guest_source/boots" "$root/boots"
}

main()
{
    rm -f "$guest_dir/initramfs" # tests are skipped unless a new one is made
    [ "$(uname -m)" = x86_64 ] || skip "the guest is for x86-64"
    need qemu-system-x86_64 qemu-system-x86
    need busybox busybox-static
    need cpio cpio
    need modprobe kmod
    need mkfs.ext4 e2fsprogs
    need mkfs.xfs xfsprogs
    need ndctl ndctl
    need daxctl daxctl
    ! ldd "$(command -v busybox)" >/dev/null 2>&1 ||
        skip "busybox is not static (Debian: busybox-static)"

    mkdir -p "$guest_dir"
    unpack_kernel
    root=$guest_dir/root
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,etc,mnt,peer,proc,root,sys,tmp}
    add_modules
    add_tools
    add_peer
    add_loaded
    add_command
    add_tests
    (cd "$root" && find . | cpio --quiet -o -H newc) >"$guest_dir/initramfs"
    rm -rf "$root"
    echo "kernel $release, initramfs of $(($(stat -c %s "$guest_dir/initramfs") >> 20)) MiB"
}

main
