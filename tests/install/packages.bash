# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Shared by the tests of the Debian packages. Sourced with the script's arguments. Sets $here,
# $cmake, $cc, $work (removed at exit), $memory (a directory for kinds), and $root (a root directory
# with a package system of its own).
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CC, CMAKE, MEMKIND_TEST_DIR (optional).

skip()
{
    echo "skipped: $*"
    exit 77
}

# need TOOL...
need()
{
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
        command -v "$tool" >/dev/null || skip "no $tool"
    done
}

need dpkg dpkg-deb dpkg-shlibdeps cpack ldconfig busybox pkg-config
if [ "$(id -u)" -ne 0 ]; then
    unshare -r true 2>/dev/null || skip "neither root nor user namespaces"
    exec unshare -r bash "$0" "$@"
fi

here=$(cd "$(dirname "$0")" && pwd)
cmake=${CMAKE:-cmake}
cc=${CC:-cc}
work=$(mktemp -d "$MEMKIND_BUILD_DIR/packages-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
memory=${MEMKIND_TEST_DIR:-/tmp}
root=$work/root
architecture=$(dpkg --print-architecture)

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# quietly COMMAND...: prints the command's output only if it fails.
quietly()
{
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }
}

# stub NAME VERSION [FIELD...]: makes an empty package that stands for one of the distribution's.
stub()
{
    mkdir -p "$work/stub/DEBIAN"
    printf '%s\n' "Package: $1" "Version: $2" "Architecture: $architecture" \
        "Maintainer: nobody <root@localhost>" "Description: stands for $1" "${@:3}" \
        >"$work/stub/DEBIAN/control"
    quietly dpkg-deb --build --root-owner-group "$work/stub" "$work/stubs/$1.deb"
}

in_root()
{
    quietly dpkg --root="$root" --log=/dev/null "$@"
}

state()
{
    dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Status}' "$1" 2>/dev/null ||
        echo unknown
}

# Makes a root without packages, with everything that the packages' scripts need.
make_root()
{
    mkdir -p "$root/var/lib/dpkg"/{info,updates,triggers} "$root"/{bin,sbin,etc,tmp} "$work/stubs"
    : >"$root/var/lib/dpkg/status"
    cp "$(command -v busybox)" "$root/bin/sh"
    cp "$(command -v ldconfig)" "$root/sbin/ldconfig"
}

# Makes the packages. Sets $debs, their folder, the packages ($runtime, $development,
# $documentation) and their $version.
make_packages()
{
    # CPack with another generator's name does not build the tree, which other tests are using.
    quietly "$(dirname "$cmake")/cpack" --config "$MEMKIND_BUILD_DIR/CPackConfig.cmake" \
        -D CPACK_CMAKE_GENERATOR=Ninja -B "$work/packages"
    debs=$work/packages
    version=$(sed -n 's/^set(CPACK_PACKAGE_VERSION "\(.*\)")$/\1/p' \
        "$MEMKIND_BUILD_DIR/CPackConfig.cmake")-1
    runtime=$debs/libmemkind-pmem0_${version}_$architecture.deb
    development=$debs/libmemkind-pmem-dev_${version}_$architecture.deb
    documentation=$debs/libmemkind-pmem-doc_${version}_all.deb
    [ "$(ls "$debs"/*.deb | wc -l)" -eq 3 ] || fail "not three packages:" "$debs"/*.deb
}

# Installs these packages in place of memkind's. The named packages must be gone afterwards.
replace_by_ours()
{
    local package
    in_root --auto-deconfigure --install "$runtime" "$development" "$documentation"
    for package in "$@"; do
        [ "$(state "$package")" != installed ] || fail "$package is still there"
    done
    quietly dpkg --root="$root" --audit
    [ ! -s "$work/log" ] || { cat "$work/log"; fail "dpkg --audit"; }
}
