#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes the Debian packages, replaces memkind's by them in a root of their own, uses what is
# installed, and removes them.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CC, CMAKE.

set -euo pipefail

# shellcheck source=tests/install/packages.bash
. "$(dirname "$0")/packages.bash"

echo "== cpack"
make_packages

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
field "$runtime" Provides "libmemkind0 (= 1.14.0), libmemkind-progs (= 1.14.0)"
field "$development" Conflicts libmemkind-dev
field "$development" Replaces libmemkind-dev
field "$development" Provides "libmemkind-dev (= 1.14.0)"
field "$development" Depends "libmemkind-pmem0 (= $version)"
for library in libc6 libdaxctl1; do
    dpkg-deb -f "$runtime" Depends | grep -qw "$library" ||
        fail "the runtime depends on $(dpkg-deb -f "$runtime" Depends)"
done
dpkg-deb -c "$documentation" >"$work/contents"
grep -q '/man3/memkind\.3\.gz$' "$work/contents" || fail "manual pages are not compressed"

echo "== replacing memkind's packages"
make_root
for library in libc6 libdaxctl1; do
    stub "$library" 999
done
stub libmemkind0 1.14.0-2
stub libmemkind-dev 1.14.0-2 "Depends: libmemkind0 (= 1.14.0-2)"
stub libmemkind-progs 1.14.0-2 "Depends: libmemkind0 (>= 1.13.0)"
stub program 1 "Depends: libmemkind0 (>= 1.12.0)"
stub builder 1 "Depends: libmemkind-dev (>= 1.12.0)"
stub user 1 "Depends: libmemkind-progs (>= 1.12.0)"
in_root --install "$work"/stubs/*.deb
[ "$(state libmemkind0)" = installed ] || fail "the stub is not installed"
find "$root" -path "$root/var/lib/dpkg" -prune -o -print | sort >"$work/before"
replace_by_ours libmemkind0 libmemkind-dev libmemkind-progs
for package in libmemkind-pmem0 libmemkind-pmem-dev libmemkind-pmem-doc program builder user; do
    [ "$(state $package)" = installed ] || fail "$package is $(state $package)"
done
"$root/sbin/ldconfig" -r "$root" -p >"$work/cache"
grep -q 'libmemkind\.so\.0 ' "$work/cache" || fail "not in the linker's cache"

echo "== symbols"
lib=$(dirname "$(find "$root/usr" -name libmemkind.so.0)")
diff <(nm -D --defined-only "$lib/libmemkind.so.0" | awk '{ print $NF }' | LC_ALL=C sort) \
    <(sed -n '/^libmemtier/q; s/^ \(.*\)@Base 1\.14\.0$/\1/p' \
    "$root/var/lib/dpkg/info/libmemkind-pmem0.symbols" | LC_ALL=C sort) ||
    fail "the symbols file is not what the library exports"
for library in libmemkind libmemtier libautohbw; do
    readelf -dW "$lib/$library.so.0" >"$work/dynamic"
    grep -q "SONAME.*\[$library\.so\.0\]" "$work/dynamic" || fail "SONAME of $library"
    grep -q "^$library.so.0 libmemkind-pmem0 " "$root/var/lib/dpkg/info/libmemkind-pmem0.symbols" ||
        fail "$library is not in the symbols file"
    sed -n "/^$library/,/^lib/s/^ \(.*\)@Base 1\.14\.0\$/\1/p" \
        "$root/var/lib/dpkg/info/libmemkind-pmem0.symbols" |
        LC_ALL=C sort >"$work/listed"
    nm -D --defined-only "$lib/$library.so.0" | awk '{ print $NF }' | LC_ALL=C sort |
        LC_ALL=C comm -13 - "$work/listed" |
        { ! grep .; } || fail "$library lacks what the symbols file lists"
done

echo "== use"
export PKG_CONFIG_PATH=$lib/pkgconfig
pkg-config --cflags --libs memkind | grep -qF -- "-L$lib" || fail "pkg-config finds another memkind"
# Unquoted: the flags are several words. shellcheck disable=SC2046
quietly "$cc" -o "$work/shared" "$here/consumer/consumer.c" $(pkg-config --cflags --libs memkind)
LD_LIBRARY_PATH=$lib quietly "$work/shared" "$memory"
static_flags=$(pkg-config --static --libs memkind)
# shellcheck disable=SC2046
quietly "$cc" -o "$work/static" "$here/consumer/consumer.c" $(pkg-config --cflags memkind) \
    ${static_flags/-lmemkind/-l:libmemkind.a}
quietly "$work/static" "$memory"
quietly "$cmake" -S "$here/consumer" -B "$work/consumer" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_PREFIX_PATH="$root/usr"
grep -q "^memkind_DIR:PATH=$root" "$work/consumer/CMakeCache.txt" ||
    fail "find_package finds another memkind"
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
in_root --purge program builder user libmemkind-pmem-doc libmemkind-pmem-dev libmemkind-pmem0
find "$root" -path "$root/var/lib/dpkg" -prune -o ! -path '*/etc/ld.so.cache' ! \
    -path '*/var/cache*' -print |
    sort >"$work/after"
diff "$work/before" "$work/after" || fail "something stays behind"

echo passed
