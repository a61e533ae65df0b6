#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The shared library exports the names of exports.txt and nothing else, needs only the libraries
# that it should, and cannot be unloaded.
#
# Environment: MEMKIND_SO.

set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

command -v nm >/dev/null && command -v readelf >/dev/null || exit 77

nm -D --defined-only "$MEMKIND_SO" >"$work/nm"
awk '{ print $NF }' "$work/nm" | sort >"$work/names"
sort "$here/exports.txt" | diff - "$work/names" ||
    fail "exports differ (<: exports.txt, >: the library)"

# Kinds are data, functions are functions, and no name has a version, as in memkind 1.14.
awk '$3 ~ /^MEMKIND_/ && $2 !~ /^[BDR]$/ || $3 ~ /^memkind_/ && $2 != "T"' "$work/nm" >"$work/types"
[ ! -s "$work/types" ] || fail "not of the type it should be: $(cat "$work/types")"
! grep -q '@' "$work/names" || fail "names have versions"

# No names of another allocator.
! grep -E '^(je|jemk|malloc|calloc|realloc|free|mallocx|posix_memalign|aligned_alloc|valloc|_Z)' \
    "$work/names" || fail "an allocator is exported"
nm -D --undefined-only "$MEMKIND_SO" >"$work/undefined"
! grep -E ' (jemk?_|mallctl|mallocx|dallocx)' "$work/undefined" ||
    fail "a jemalloc of another library is used"

readelf -d "$MEMKIND_SO" >"$work/dynamic"
grep -q 'SONAME.*\[libmemkind\.so\.0\]' "$work/dynamic" || fail "wrong SONAME"
grep -q 'NODELETE' "$work/dynamic" || fail "can be unloaded"
! grep -q 'NEEDED.*jemalloc' "$work/dynamic" || fail "needs a shared jemalloc"
! grep -qE 'RPATH|TEXTREL' "$work/dynamic" || fail "has an RPATH or text relocations"
# dlopen may fail for a library with this flag, when thread-local storage has run out.
! grep -q 'STATIC_TLS' "$work/dynamic" || fail "uses the static TLS block"
readelf -lW "$MEMKIND_SO" >"$work/segments"
! grep -E 'GNU_STACK.*RWE' "$work/segments" || fail "has an executable stack"
echo "$(wc -l <"$work/names") names"
