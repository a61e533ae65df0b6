#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: programs linked with tcmalloc or mimalloc crashed when they called these allocators' own
# functions on malloc's blocks.

. "$(dirname "$0")/../preload/lib.sh"

calls=$STRANGERS/other_calls
found=0
for name in tcmalloc mimalloc; do
    path=$(ldconfig -p 2>/dev/null | sed -n "s/^.*lib$name\(_minimal\)*\.so\.[0-9.]* .*=> //p" |
        head -n 1)
    [ -n "$path" ] || { echo "no $name here"; continue; }
    found=$((found + 1))
    LD_PRELOAD=$library:$path MEMKIND_PRELOAD_DIR=$work/pmem MEMKIND_PRELOAD_STRICT=1 "$calls" \
        $name ||
        fail "$name behind the library"
done
[ $found -gt 0 ] || skip "neither tcmalloc nor mimalloc here"
