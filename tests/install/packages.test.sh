#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes the Debian packages, has them replace memkind's in a root of their own, uses what lies there, and
# removes them.
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CC, CMAKE.

set -euo pipefail

for tool in dpkg dpkg-deb dpkg-shlibdeps cpack ldconfig busybox pkg-config; do
    command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
    command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
if [ "$(id -u)" -ne 0 ]; then
    unshare -r true 2>/dev/null || { echo "skipped: neither root nor user namespaces"; exit 77; }
    exec unshare -r bash "$0" "$@"
fi

here=$(cd "$(dirname "$0")" && pwd)
cmake=${CMAKE:-cmake}
cc=${CC:-cc}
work=$(mktemp -d "$MEMKIND_BUILD_DIR/packages-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
memory=${MEMKIND_TEST_DIR:-/tmp}
root=$work/root

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# quietly COMMAND...: shows what it says only where it fails.
quietly()
{
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }
}

# stub NAME VERSION [FIELD...]: an empty package, in place of one of the distribution's.
stub()
{
    mkdir -p "$work/stub/DEBIAN"
    printf '%s\n' "Package: $1" "Version: $2" "Architecture: $architecture" \
        "Maintainer: nobody <root@localhost>" "Description: stands for $1" "${@:3}" >"$work/stub/DEBIAN/control"
    quietly dpkg-deb --build --root-owner-group "$work/stub" "$work/stubs/$1.deb"
}

in_root()
{
    quietly dpkg --root="$root" --log=/dev/null "$@"
}

state()
{
    dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Status}' "$1" 2>/dev/null || echo unknown
}

echo "== cpack"
# The other generator's name, so that it does not build the tree that other tests are using.
quietly "$(dirname "$cmake")/cpack" --config "$MEMKIND_BUILD_DIR/CPackConfig.cmake" \
    -D CPACK_CMAKE_GENERATOR=Ninja -B "$work/packages"
architecture=$(dpkg --print-architecture)
debs=$work/packages
runtime=$debs/libmemkind-pmem0_1.14.0-1_$architecture.deb
development=$debs/libmemkind-pmem-dev_1.14.0-1_$architecture.deb
documentation=$debs/libmemkind-pmem-doc_1.14.0-1_all.deb
[ "$(ls "$debs"/*.deb | wc -l)" -eq 3 ] || fail "not three packages:" "$debs"/*.deb

echo "== control files"
# field PACKAGE FIELD TEXT
field()
{
    local value
    value=$(dpkg-deb -f "$1" "$2")
    [ "$value" = "$3" ] || fail "$(basename "$1"): $2 is $value"
}
field "$runtime" Conflicts "libmemkind0, libmemkind-progs"
field "$runtime" Replaces "libmemkind0, libmemkind-progs"
field "$runtime" Provides "libmemkind0 (= 1.14.0)"
field "$development" Conflicts libmemkind-dev
field "$development" Replaces libmemkind-dev
field "$development" Provides "libmemkind-dev (= 1.14.0)"
field "$development" Depends "libmemkind-pmem0 (= 1.14.0-1)"
for library in libc6 libnuma1 libdaxctl1; do
    dpkg-deb -f "$runtime" Depends | grep -qw "$library" || fail "the runtime depends on $(dpkg-deb -f "$runtime" Depends)"
done
dpkg-deb -c "$documentation" >"$work/contents"
grep -q '/man3/memkind\.3\.gz$' "$work/contents" || fail "manual pages are not compressed"

echo "== replacing memkind's packages"
mkdir -p "$root/var/lib/dpkg"/{info,updates,triggers} "$root"/{bin,sbin,etc,tmp} "$work/stubs"
: >"$root/var/lib/dpkg/status"
# All that the packages' scripts need.
cp "$(command -v busybox)" "$root/bin/sh"
cp "$(command -v ldconfig)" "$root/sbin/ldconfig"
for library in libc6 libnuma1 libdaxctl1; do
    stub "$library" 999
done
stub libmemkind0 1.14.0-2
stub libmemkind-dev 1.14.0-2 "Depends: libmemkind0 (= 1.14.0-2)"
stub program 1 "Depends: libmemkind0 (>= 1.12.0)"
stub builder 1 "Depends: libmemkind-dev (>= 1.12.0)"
in_root --install "$work"/stubs/*.deb
[ "$(state libmemkind0)" = installed ] || fail "the stub is not installed"
find "$root" -path "$root/var/lib/dpkg" -prune -o -print | sort >"$work/before"
in_root --auto-deconfigure --install "$runtime" "$development" "$documentation"
for package in libmemkind-pmem0 libmemkind-pmem-dev libmemkind-pmem-doc program builder; do
    [ "$(state $package)" = installed ] || fail "$package is $(state $package)"
done
for package in libmemkind0 libmemkind-dev; do
    [ "$(state $package)" != installed ] || fail "$package is still there"
done
quietly dpkg --root="$root" --audit
[ ! -s "$work/log" ] || { cat "$work/log"; fail "dpkg --audit"; }
"$root/sbin/ldconfig" -r "$root" -p >"$work/cache"
grep -q 'libmemkind\.so\.0 ' "$work/cache" || fail "not in the linker's cache"

echo "== symbols"
lib=$(dirname "$(find "$root/usr" -name libmemkind.so.0)")
diff <(nm -D --defined-only "$lib/libmemkind.so.0" | awk '{ print $NF }' | LC_ALL=C sort) \
    <(sed -n 's/^ \(.*\)@Base 1\.14\.0$/\1/p' "$root/var/lib/dpkg/info/libmemkind-pmem0.symbols" | LC_ALL=C sort) ||
    fail "the symbols file is not what the library exports"
readelf -dW "$lib/libmemkind.so.0" >"$work/dynamic"
grep -q 'SONAME.*\[libmemkind\.so\.0\]' "$work/dynamic" || fail "SONAME"

echo "== use"
export PKG_CONFIG_PATH=$lib/pkgconfig
pkg-config --cflags --libs memkind | grep -qF -- "-L$lib" || fail "pkg-config finds another memkind"
# Words of flags, to be split.
# shellcheck disable=SC2046
quietly "$cc" -o "$work/shared" "$here/consumer/consumer.c" $(pkg-config --cflags --libs memkind)
LD_LIBRARY_PATH=$lib quietly "$work/shared" "$memory"
static_flags=$(pkg-config --static --libs memkind)
# shellcheck disable=SC2046
quietly "$cc" -o "$work/static" "$here/consumer/consumer.c" $(pkg-config --cflags memkind) \
    ${static_flags/-lmemkind/-l:libmemkind.a}
quietly "$work/static" "$memory"
quietly "$cmake" -S "$here/consumer" -B "$work/consumer" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_PREFIX_PATH="$root/usr"
grep -q "^memkind_DIR:PATH=$root" "$work/consumer/CMakeCache.txt" || fail "find_package finds another memkind"
quietly "$cmake" --build "$work/consumer"
quietly "$work/consumer/consumer_shared" "$memory"
quietly "$work/consumer/consumer_static" "$memory"

echo "== dependencies of a program that is built with it"
mkdir -p "$work/source/debian"
printf 'Source: program\n\nPackage: program\nArchitecture: any\n' >"$work/source/debian/control"
quietly dpkg-deb -R "$runtime" "$work/tree"
depends=$(cd "$work/source" && dpkg-shlibdeps -S"$work/tree" -O "$work/shared" 2>"$work/log") ||
    { cat "$work/log"; fail "dpkg-shlibdeps"; }
grep -qF 'libmemkind-pmem0 (>= 1.14.0)' <<<"$depends" || fail "the program would get $depends"

echo "== removal"
in_root --purge program builder libmemkind-pmem-doc libmemkind-pmem-dev libmemkind-pmem0
find "$root" -path "$root/var/lib/dpkg" -prune -o ! -path '*/etc/ld.so.cache' ! -path '*/var/cache*' -print |
    sort >"$work/after"
diff "$work/before" "$work/after" || fail "something stays behind"

echo passed
