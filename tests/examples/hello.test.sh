#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The example greets from the directory, and prints an error for a directory that cannot be used:
# BINARY

set -eu

hello=$1
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -d "$dir" ] || dir=/tmp

fail() {
    echo "$1" >&2
    exit 1
}

[ "$("$hello" "$dir")" = "Hello from $dir!" ] || fail "it does not greet"

message=$("$hello" "$dir/no such directory" 2>&1) && fail "a missing directory is a success"
case $message in
"hello: no kind in $dir/no such directory: "?*) ;;
*) fail "a missing directory gives \"$message\"" ;;
esac
