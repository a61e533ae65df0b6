# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What tests share that run on memkind 1.14 as well. Sourced with $here; sets $library and $theirs,
# the files of both; $work, with a folder "ours" and one "memkind" for LD_LIBRARY_PATH; $dir, for
# kinds. Both go at the end.
# Environment: MEMKIND_SO, CC, MEMKIND_TEST_DIR (optional). Skips the test without the
# distribution's libmemkind-dev.

library=$(readlink -f "$MEMKIND_SO")

skip()
{
    echo "skipped: $*"
    exit 77
}

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# The real memkind has kinds that this library has not; another library in its
# place has nothing to compare.
[ -f /usr/include/memkind.h ] || skip "no /usr/include/memkind.h"
grep -q MEMKIND_HBW /usr/include/memkind.h || skip "/usr/include/memkind.h is not memkind's"
theirs=$("${CC:-cc}" -print-file-name=libmemkind.so)
[ -f "$theirs" ] || skip "no libmemkind.so of the distribution"
theirs=$(readlink -f "$theirs")
[ "$theirs" != "$library" ] || skip "the distribution's library is this one"

work=$(mktemp -d)
dir=
trap 'rm -rf "$work" ${dir:+"$dir"}' EXIT
dir=$(mktemp -d "${MEMKIND_TEST_DIR:-$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)}/memkind-test-XXXXXX")
# From now on, only LD_LIBRARY_PATH says which library it is.
unset LD_LIBRARY_PATH LD_PRELOAD
mkdir "$work/memkind" "$work/ours"
ln -s "$theirs" "$work/memkind/libmemkind.so.0"
ln -s "$library" "$work/ours/libmemkind.so.0"
ulimit -c 0

# takes WHICH: the loader finds that library for $work/program.
takes()
{
    LD_LIBRARY_PATH=$work/$1 ldd "$work/program" >"$work/ldd"
    grep -q "=> $work/$1/libmemkind.so.0 " "$work/ldd" || fail "the loader does not take the library of $1"
}
