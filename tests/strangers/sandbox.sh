#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: programs that install a filter of system calls for themselves, such as sshd and man, were
# killed by it.

. "$(dirname "$0")/../preload/lib.sh"

sandbox=$STRANGERS/sandbox
ulimit -c 0

# run COMMAND...: an idle thread would be confined too, without any call of the program.
run()
{
    local status=0
    preloaded MEMKIND_IDLE_THREAD=0 "$@" || status=$?
    [ $status != 77 ] || skip "no filters of system calls"
    [ $status = 0 ] || fail "$*: status $status"
}

for case in prctl syscall unused child threads refused 'refused prctl' harmless vfork; do
    echo "== $case"
    # shellcheck disable=SC2086 # two words
    run "$sandbox" $case
    # shellcheck disable=SC2086
    run MEMKIND_PRELOAD_MAX=1G "$sandbox" $case
done

echo "== the report is that of the moment before the filter"
run MEMKIND_PRELOAD_STATS="$work/stats" "$sandbox" prctl
[ "$(number "$work/stats" file_space_peak)" -gt 0 ] || fail "$(cat "$work/stats")"

[ -z "$(ls -A "$work/pmem")" ] || fail "left behind: $(ls -A "$work/pmem")"
