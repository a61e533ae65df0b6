# SPDX-License-Identifier: BSD-2-Clause
# For scripts that run programs on a preloaded library: an empty folder, removed at the end, and the
# ends of a test. Sets work. Environment: MEMKIND_TEST_DIR (optional).

if [ -z "${MEMKIND_TEST_DIR:-}" ]; then
    MEMKIND_TEST_DIR=/tmp
    [ -w /dev/shm ] && MEMKIND_TEST_DIR=/dev/shm
fi
work=$(mktemp -d "$MEMKIND_TEST_DIR/preload-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

# unset_matching REGEX: removes the exported variables whose names begin so.
unset_matching()
{
    local variable

    for variable in $(compgen -e | grep -E "^($1)"); do
        unset "$variable"
    done
}

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

skip()
{
    echo "skipped: $*"
    exit 77
}
