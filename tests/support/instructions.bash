# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by a script that counts what a malloc and a free cost: $pair is a program that does so many
# of both as its argument says, $few and $many are two such numbers; $work is the script's folder.

# instructions TIMES [NAME=VALUE...]: of the whole process.
instructions()
{
    local times=$1
    shift
    env "$@" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$pair" "$times" 2>"$work/err" ||
        { cat "$work/err" >&2; fail "valgrind"; }
    sed -n 's/.*Collected : //p' "$work/err"
}

# cost [NAME=VALUE...]: of a malloc and a free, in tenths.
cost()
{
    local some more
    some=$(instructions $few "$@")
    more=$(instructions $many "$@")
    echo $(((more - some) * 10 / (many - few)))
}
