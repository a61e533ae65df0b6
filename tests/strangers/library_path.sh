#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: R runs on libc's malloc under the preload library, and prints a line for each process. R
# puts the system's folders into LD_LIBRARY_PATH, and memkind's libmemkind was in one of them. The
# preload library must load the libmemkind that belongs to it.

. "$(dirname "$0")/../preload/lib.sh"

mkdir "$work/folder"
# A file that the loader cannot load: the program ends if the loader opens the file.
: >"$work/folder/libmemkind.so.0"
text=$(preloaded LD_LIBRARY_PATH="$work/folder" MEMKIND_PRELOAD_STATS="$work/stats" \
    sort <<<"a line" 2>"$work/err") || fail "sort fails: $(cat "$work/err")"
[ "$text" = "a line" ] || fail "sort prints $text"
[ ! -s "$work/err" ] || fail "a message: $(cat "$work/err")"
[ "$(number "$work/stats" file_space_peak)" -gt 0 ] || fail "no heap: $(cat "$work/stats")"
