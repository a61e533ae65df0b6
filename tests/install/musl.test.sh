#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the library, the command and the node lists with musl-gcc, and runs examples that are
# linked statically with the result.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, MEMKIND_JEMALLOC, CMAKE.

set -euo pipefail

cmake=${CMAKE:-cmake}
build=$MEMKIND_BUILD_DIR/musl
root=$build/root

command -v musl-gcc >/dev/null ||
    { echo "skipped: no musl-gcc here (Debian: musl-tools)"; exit 77; }
[ "$MEMKIND_JEMALLOC" = bundled ] ||
    { echo "skipped: jemalloc is the distribution's, for glibc"; exit 77; }

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# quietly COMMAND...: prints the command's output only if it fails.
quietly()
{
    local log=$build.log

    "$@" >"$log" 2>&1 || { cat "$log"; fail "$*"; }
    rm -f "$log"
}

# cached NAME: a setting of the build tree.
cached()
{
    sed -n "s/^$1:[A-Z]*=//p" "$MEMKIND_BUILD_DIR/CMakeCache.txt"
}

machine=$(gcc -print-multiarch)
[ -n "$machine" ] ||
    { echo "skipped: the folders of libraries have no name for the machine"; exit 77; }

# The kernel's headers and those of the dependencies, without glibc's.
mkdir -p "$root/include" "$root/lib/pkgconfig"
for name in linux asm-generic daxctl; do
    ln -sfn "/usr/include/$name" "$root/include/$name"
done
ln -sfn "/usr/include/$machine/asm" "$root/include/asm"
printf 'Name: libdaxctl\nDescription: of the distribution\nVersion: 1\nCflags: -isystem %s\n' \
    "$root/include" >"$root/lib/pkgconfig/libdaxctl.pc"

echo "== the library, the command and the node lists"
# No preload libraries: they call glibc's heap by its own names.
PKG_CONFIG_LIBDIR=$root/lib/pkgconfig quietly "$cmake" -S "$MEMKIND_SOURCE_DIR" -B "$build" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=musl-gcc \
    "-DCMAKE_C_FLAGS=-isystem $root/include" \
    -DMEMKIND_BUILD_TESTS=OFF -DMEMKIND_BUILD_EXAMPLES=OFF \
    "-DMEMKIND_JEMALLOC_DIR=$(cached MEMKIND_JEMALLOC_DIR)" \
    "-DMEMKIND_JEMALLOC_SOURCE=$(cached MEMKIND_JEMALLOC_SOURCE)"
quietly "$cmake" --build "$build" -j "$(nproc)"
needed=$(readelf -d "$build/src/libmemkind.so.0" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort |
    xargs)
[ "$needed" = libc.so ] || fail "the library needs $needed"
[ -x "$build/src/preload/memkind-pmem" ] || fail "no command"
[ -z "$(find "$build/src" -name '*preload*.so')" ] || fail "a preload library"

for example in hello words graph cache; do
    echo "== $example"
    musl-gcc -D_GNU_SOURCE -O2 -static -isystem "$root/include" "-I$MEMKIND_SOURCE_DIR/include" \
        "$MEMKIND_SOURCE_DIR/tests/examples/$example.c" -o "$root/$example" \
        "$build/src/libmemkind.a" -pthread -lm
    bash "$MEMKIND_SOURCE_DIR/tests/examples/$example.test.sh" "$root/$example"
done
