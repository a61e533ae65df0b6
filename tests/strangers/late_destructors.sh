#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: a thread's destructor that freed a block of an earlier destructor ended the program
# ("free(): invalid pointer"), and after a thread that first allocated in its last round the next
# fork hung.

. "$(dirname "$0")/../preload/lib.sh"

"$STRANGERS/late_destructors" || fail "the program does not even run on libc"
preloaded "$STRANGERS/late_destructors" || fail "it does not end well"
preloaded MEMKIND_PRELOAD_MIN=1000 "$STRANGERS/late_destructors" || fail "not with a least size"
