#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The library's version is the same in all places, and its packages are upgrades of earlier ones.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CC, CMAKE.

set -euo pipefail

cmake=${CMAKE:-cmake}
work=$(mktemp -d "$MEMKIND_BUILD_DIR/version-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

version=$(sed -n 's/^set(MEMKIND_LIBRARY_VERSION \(.*\))$/\1/p' \
    "$MEMKIND_SOURCE_DIR/CMakeLists.txt")
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "CMakeLists.txt: \"$version\" is no version"
echo "version $version"

# same WHERE TEXT
same()
{
    [ "$2" = "$version" ] || fail "$1: \"$2\""
}

same CHANGELOG \
    "$(sed -n 's/^## \([0-9.]*\).*/\1/p' "$MEMKIND_SOURCE_DIR/.github/CHANGELOG.md" | head -n 1)"

"$cmake" --install "$MEMKIND_BUILD_DIR" --prefix "$work/usr" >"$work/log" ||
    { cat "$work/log"; fail install; }
said=$("$work/usr/bin/memkind-pmem" --version)
[ "$said" = "memkind-pmem $version, with the interface of memkind 1.14.0" ] ||
    fail "memkind-pmem: $said"

lib=$(dirname "$(find "$work/usr" -name libmemkind.so.0)")
pc()
{
    PKG_CONFIG_PATH=$lib/pkgconfig pkg-config "$1" memkind
}
same memkind.pc "$(pc --variable=library_version)"
[ "$(pc --modversion)" = 1.14.0 ] || fail "memkind.pc: the interface is $(pc --modversion)"

mkdir "$work/consumer"
cat >"$work/consumer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(memkind 1.14 REQUIRED)
message(STATUS "versions: ${memkind_VERSION} ${memkind_LIBRARY_VERSION}")
END
"$cmake" -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_C_COMPILER="${CC:-cc}" \
    -DCMAKE_PREFIX_PATH="$work/usr" >"$work/log" 2>&1 || { cat "$work/log"; fail find_package; }
grep -qxF -- "-- versions: 1.14.0 $version" "$work/log" ||
    { cat "$work/log"; fail "the CMake package"; }

package=$(sed -n 's/^set(CPACK_PACKAGE_VERSION "\(.*\)")$/\1/p' \
    "$MEMKIND_BUILD_DIR/CPackConfig.cmake")
same packages "${package#1.14.0+pmem}"
if command -v dpkg >/dev/null; then
    # Package versions before the library had its own version, the previous version, and the version
    # that programs depend on.
    for older in 1.14.0-1 1.14.0+pmem0.2.0-9 1.14.0; do
        dpkg --compare-versions "$package-1" gt "$older" ||
            fail "$package-1 is no upgrade of $older"
    done
    dpkg --compare-versions "$package-1" lt 1.15.0 || fail "$package-1 would be a newer interface"
fi
