#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: with a ratio, an array that grew by realloc(3) moved between the heaps at nearly every
# step: 28 GB were copied.

. "$(dirname "$0")/../preload/lib.sh"

for ratio in 1:1 1:4 4:1; do
    echo "== ratio $ratio"
    preloaded MEMKIND_PRELOAD_RATIO=$ratio "$STRANGERS/grow" "$work/pmem" 0
done
echo "== a limit of size is kept while a block grows"
preloaded MEMKIND_PRELOAD_MIN=1M "$STRANGERS/grow" "$work/pmem" 1
preloaded MEMKIND_PRELOAD_MAX=1M "$STRANGERS/grow" "$work/pmem" 1
echo "== a heap that has no room"
preloaded MEMKIND_PRELOAD_SIZE=16M "$STRANGERS/grow" "$work/pmem" 1
