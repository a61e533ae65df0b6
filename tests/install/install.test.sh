#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs into a folder, moves the folder, and uses it as a packager and a program would.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, MEMKIND_JEMALLOC, CC, CXX (may be empty),
# CMAKE.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cmake=${CMAKE:-cmake}
cc=${CC:-cc}
work=$(mktemp -d "$MEMKIND_BUILD_DIR/install-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ -z "${MEMKIND_TEST_DIR:-}" ]; then
    MEMKIND_TEST_DIR=/tmp
    [ -d /dev/shm ] && MEMKIND_TEST_DIR=/dev/shm
fi

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# Fails unless all names on stdin, one a line, are public.
only_public()
{
    local names foreign
    names=$(cat)
    grep -qx memkind_malloc <<<"$names" || fail "$1 does not export memkind_malloc"
    foreign=$(grep -vE '^(memkind_|MEMKIND_|memtier_|hbw_)' <<<"$names" || true)
    [ -z "$foreign" ] || fail "$1 exports" $foreign
}

"$cmake" --install "$MEMKIND_BUILD_DIR" --prefix "$work/first" >"$work/install.log" ||
    { cat "$work/install.log"; fail "cmake --install"; }
# Nothing in an installed tree may depend on where it was installed.
mv "$work/first" "$work/usr"
prefix=$work/usr
lib=$(dirname "$(find "$prefix" -name libmemkind.so.0)")
[ -n "$lib" ] || fail "no libmemkind.so.0"

echo "== files"
for file in include/memkind.h include/memkind_deprecated.h; do
    [ -f "$prefix/$file" ] || fail "$file is missing"
done
(cd "$MEMKIND_SOURCE_DIR/include" && find . -name '*.h') | while read -r file; do
    [ -f "$prefix/include/$file" ] || fail "include/$file is missing"
done
for page in "$MEMKIND_SOURCE_DIR"/man/*.[1-9]; do
    [ ! -e "$page" ] || [ -f "$prefix/share/man/man${page##*.}/$(basename "$page")" ] ||
        fail "$(basename "$page") is missing"
done
for file in libmemkind.so libmemkind.so.0 libmemkind.so.0.0.1 libmemkind.a libmemtier.a \
    libmemtier.so libmemtier.so.0 libmemtier.so.0.0.0 libautohbw.so libautohbw.so.0 \
    pkgconfig/memkind.pc cmake/memkind/memkind-config.cmake \
    cmake/memkind/memkind-config-version.cmake cmake/memkind/memkind-targets.cmake; do
    [ -e "$lib/$file" ] || fail "$file is missing"
done
[ "$(readlink "$lib/libmemkind.so.0")" = libmemkind.so.0.0.1 ] || fail "libmemkind.so.0 is no link"
strange=$(cd "$prefix" && find . -type f ! -name '*.h' ! -name '*.[1-9]' ! -name '*.cmake' \
    ! -name memkind.pc ! -name 'libmemkind.*' ! -name libmemkind-preload.so ! \
    -name libmemtier.so.0.0.0 ! -name libmemtier.a ! -name libautohbw.so.0.0.0 ! \
    -path './bin/memkind-*' ! -path ./bin/memtier ! \
    -path '*/bash-completion/completions/memkind-pmem')
[ -z "$strange" ] || fail "installed but unknown:" $strange

echo "== dynamic section"
dynamic=$(readelf -dW "$lib/libmemkind.so.0")
grep -q 'SONAME.*\[libmemkind\.so\.0\]' <<<"$dynamic" || fail "SONAME"
grep -q 'FLAGS_1.*NODELETE' <<<"$dynamic" || fail "not marked nodelete"
grep -qE 'BIND_NOW|FLAGS_1.*NOW' <<<"$dynamic" || fail "not marked now"
! grep -qE 'RPATH|RUNPATH|TEXTREL' <<<"$dynamic" || fail "has a run path or text relocations"
! grep -q 'NEEDED.*jemalloc' <<<"$dynamic" || fail "needs jemalloc"
if [ "$MEMKIND_JEMALLOC" = bundled ]; then
    ! grep -q 'STATIC_TLS' <<<"$dynamic" || fail "has static TLS, which dlopen may refuse"
fi

echo "== exported names"
nm -D --defined-only "$lib/libmemkind.so.0" | awk '{ print $NF }' | only_public libmemkind.so.0
nm -g --defined-only "$lib/libmemkind.a" | awk 'NF == 3 { print $3 }' | only_public libmemkind.a
diff <(nm -D --defined-only "$lib/libmemkind.so.0" | awk '{ print $NF }' | sort) \
    <(nm -g --defined-only "$lib/libmemkind.a" | awk 'NF == 3 { print $3 }' | sort) ||
    fail "libmemkind.a and libmemkind.so.0 export different names"

# The library defines what it exports.
diff <(nm -D --defined-only "$lib/libmemtier.so.0" | awk '{ print $NF }' | sort) \
    <(nm -g --defined-only "$lib/libmemtier.a" | awk 'NF == 3 { print $3 }' | sort) ||
    fail "libmemtier.a and libmemtier.so.0 export different names"

echo "== headers"
for header in memkind.h memkind_deprecated.h; do
    # The second header includes the first.
    printf '#include <%s>\n' memkind.h "$header" >"$work/header.c"
    "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -I"$prefix/include" \
        -fsyntax-only "$work/header.c" ||
        fail "$header is not C99"
    if [ -n "${CXX:-}" ] && command -v "$CXX" >/dev/null; then
        "$CXX" -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only \
            "$work/header.c" || fail "$header is not C++11"
    fi
done

echo "== pkg-config"
export PKG_CONFIG_PATH=$lib/pkgconfig
pc()
{
    pkg-config "$@" memkind || fail "pkg-config $*"
}
[ "$(pc --modversion)" = 1.14.0 ] || fail "memkind.pc has another version"
pkg-config --cflags --libs memkind | grep -q first && fail "memkind.pc names the first prefix"
# Unquoted: the flags are several words. shellcheck disable=SC2046
"$cc" -o "$work/shared" "$here/consumer/consumer.c" $(pc --cflags --libs)
LD_LIBRARY_PATH=$lib "$work/shared" "$MEMKIND_TEST_DIR" || fail "shared consumer"
static_flags=$(pc --static --libs)
"$cc" -o "$work/static" "$here/consumer/consumer.c" $(pc --cflags) \
    ${static_flags/-lmemkind/-l:libmemkind.a}
! readelf -dW "$work/static" | grep -q libmemkind || fail "static consumer needs the shared library"
"$work/static" "$MEMKIND_TEST_DIR" || fail "static consumer"

echo "== dlopen"
if [ "$MEMKIND_JEMALLOC" = bundled ]; then
    "$cc" -o "$work/dlopen" "$here/consumer/dlopen.c" -ldl
    "$work/dlopen" "$lib/libmemkind.so.0" "$MEMKIND_TEST_DIR" || fail "dlopen consumer"
else
    echo "skipped: MEMKIND_JEMALLOC=$MEMKIND_JEMALLOC cannot"
fi

echo "== memkind-pmem"
[ -f "$prefix/share/man/man1/memkind-pmem.1" ] || fail "memkind-pmem.1 is missing"
"$prefix/bin/memkind-pmem" run --dir "$MEMKIND_TEST_DIR" --stats "$work/stats" -- true ||
    fail "memkind-pmem run"
grep -q '"program": "true"' "$work/stats" || fail "the program did not run on the preload library"
"$prefix/bin/memtier" -r 1:0 grep -q "$lib/libmemtier.so.0" /proc/self/maps || fail "memtier"
AUTO_HBW_LOG=-1 LD_PRELOAD=$lib/libautohbw.so.0 grep -q "$lib/libmemkind.so.0" /proc/self/maps ||
    fail "libautohbw.so.0"
readelf -dW "$lib/libmemkind-preload.so" "$lib/libmemtier.so.0" "$lib/libautohbw.so.0" \
    "$prefix/bin/memkind-pmem" "$prefix/bin/memtier" | grep -E 'RPATH|RUNPATH' |
    { ! grep -v '\[$ORIGIN'; } || fail "a run path that does not begin at the file itself"

echo "== find_package"
"$cmake" -S "$here/consumer" -B "$work/consumer" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_PREFIX_PATH="$prefix" >"$work/consumer.log" 2>&1 &&
    "$cmake" --build "$work/consumer" >>"$work/consumer.log" 2>&1 ||
    { cat "$work/consumer.log"; fail "find_package(memkind 1.14)"; }
for program in consumer_shared consumer_static; do
    "$work/consumer/$program" "$MEMKIND_TEST_DIR" || fail "$program"
done
! readelf -dW "$work/consumer/consumer_static" | grep -q libmemkind ||
    fail "consumer_static needs the shared library"

echo passed
