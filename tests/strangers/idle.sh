#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: malloc_trim(3) released nothing under the preload library, and a sleeping program kept all
# that it had freed.

. "$(dirname "$0")/../preload/lib.sh"

[ "$(stat -f -c %T "$work")" = tmpfs ] ||
    skip "the file system is not tmpfs, and may say later what a file holds"
echo "== malloc_trim"
preloaded "$STRANGERS/trim" "$work/pmem" trim
preloaded MEMKIND_IDLE_THREAD=0 "$STRANGERS/trim" "$work/pmem" trim
echo "== a program that sleeps"
preloaded "$STRANGERS/trim" "$work/pmem" sleep
