# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For tests that also run on memkind 1.14. Sourced with $here set. Sets $library and $theirs, the
# files of both libraries; $work, with folders "ours" and "memkind" for LD_LIBRARY_PATH; and $dir,
# for kinds. $work and $dir are removed at exit.
#
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

# The installed header may be this library's own: then there is nothing to compare.
[ -f /usr/include/memkind.h ] || skip "no /usr/include/memkind.h"
! grep -q memkind_config_set_fork /usr/include/memkind.h ||
    skip "/usr/include/memkind.h is this library's"
theirs=$("${CC:-cc}" -print-file-name=libmemkind.so)
[ -f "$theirs" ] || skip "no libmemkind.so of the distribution"
theirs=$(readlink -f "$theirs")
[ "$theirs" != "$library" ] || skip "the distribution's library is this one"

work=$(mktemp -d)
dir=
trap 'rm -rf "$work" ${dir:+"$dir"}' EXIT
dir=$(mktemp \
    -d "${MEMKIND_TEST_DIR:-$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)}/memkind-test-XXXXXX")
# From here on, LD_LIBRARY_PATH alone selects the library.
unset LD_LIBRARY_PATH LD_PRELOAD
mkdir "$work/memkind" "$work/ours"
ln -s "$theirs" "$work/memkind/libmemkind.so.0"
ln -s "$library" "$work/ours/libmemkind.so.0"
ulimit -c 0

# takes WHICH: checks that the loader finds that library for $work/program.
takes()
{
    LD_LIBRARY_PATH=$work/$1 ldd "$work/program" >"$work/ldd"
    grep -q "=> $work/$1/libmemkind.so.0 " "$work/ldd" ||
        fail "the loader does not take the library of $1"
}
