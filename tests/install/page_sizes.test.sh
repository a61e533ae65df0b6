#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the library for kernels with pages of up to 16 and up to 64 KiB, and runs tests of the
# public interface and of frozen chunks on each build: with this kernel's smaller pages, and with
# pretended pages of 16 or 64 KiB. The folder of the builds has a space in its name.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, MEMKIND_JEMALLOC, CC, CMAKE; PAGE_SIZES_TESTS,
# tests to run instead of those below.

set -euo pipefail

LARGEST="14 16" # 16 and 64 KiB, as jemalloc's binary logarithm
tests="api/test_destroy api/test_detect_kind api/test_fixed api/test_policy api/test_purge"
tests=${PAGE_SIZES_TESTS:-$tests api/test_snapshot unit/test_freeze unit/test_thaw}
cmake=${CMAKE:-cmake}
folder="$MEMKIND_BUILD_DIR/page sizes"
build=$folder
kernel_page=$MEMKIND_BUILD_DIR/kernel_page.so # LD_PRELOAD takes no space

[ "$MEMKIND_JEMALLOC" = bundled ] ||
    { echo "skipped: jemalloc is the distribution's, for one page size"; exit 77; }
# The jemalloc source of the build tree.
jemalloc_source=$(sed -n 's/^MEMKIND_JEMALLOC_SOURCE:[A-Z]*=//p' \
    "$MEMKIND_BUILD_DIR/CMakeCache.txt")
jemalloc_dir=$(sed -n 's/^MEMKIND_JEMALLOC_DIR:[A-Z]*=//p' "$MEMKIND_BUILD_DIR/CMakeCache.txt")
tarball=$jemalloc_dir/jemalloc_5.3.0.orig.tar.bz2
[ -n "$jemalloc_source" ] || [ ! -f "$tarball" ] || jemalloc_source=$tarball

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

targets=memkind
for test in $tests; do
    targets+=" ${test/\//-}"
done

# build_for LG_PAGE
build_for()
{
    quietly "$cmake" -S "$MEMKIND_SOURCE_DIR" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        "-DCMAKE_C_COMPILER=${CC:-cc}" "-DMEMKIND_JEMALLOC_LG_PAGE=$1" \
        "-DMEMKIND_JEMALLOC_DIR=$folder/jemalloc" "-DMEMKIND_JEMALLOC_SOURCE=$jemalloc_source"
    # shellcheck disable=SC2086 # a list of targets
    quietly "$cmake" --build "$build" -j "$(nproc)" --target $targets
}

# run_tests LG_PAGE: runs the tests with the machine's pages, and with larger pretended pages.
run_tests()
{
    local page test
    for page in "" 16384 65536; do
        # A page larger than the build's gives an error message and no crash:
        # strangers/test_kernel_of_larger_pages.
        [ "${page:-0}" -le $((1 << $1)) ] &&
            [ "${page:-$(getconf PAGESIZE)}" -ge "$(getconf PAGESIZE)" ] || continue
        for test in $tests; do
            echo "== built for $((1 << $1)), $test, page: ${page:-$(getconf PAGESIZE)}"
            quietly env ${page:+"LD_PRELOAD=$kernel_page" "KERNEL_PAGE=$page"} \
                "$build/tests/$test"
        done
    done
}

quietly "${CC:-cc}" -shared -fPIC -o "$kernel_page" \
    "$MEMKIND_SOURCE_DIR/tests/cross/kernel_page.c" -ldl
for largest in $LARGEST; do
    [ $((1 << largest)) -ge "$(getconf PAGESIZE)" ] || continue
    build=$folder/$largest
    mkdir -p "$build"
    build_for "$largest"
    run_tests "$largest"
done
echo "all tests passed"
