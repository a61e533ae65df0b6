# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For scripts that count the instructions of a malloc and a free. $pair is a program that does as
# many of both as its argument says, $few and $many are two such numbers, and $work is a folder for
# files.

# instructions TIMES [NAME=VALUE...]: prints the instructions of the whole process.
instructions()
{
    local times=$1
    shift
    env "$@" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$pair" "$times" \
        2>"$work/err" ||
        { cat "$work/err" >&2; fail "valgrind"; }
    sed -n 's/.*Collected : //p' "$work/err"
}

# cost [NAME=VALUE...]: prints the instructions of one malloc and one free, in tenths.
cost()
{
    local some more
    some=$(instructions $few "$@")
    more=$(instructions $many "$@")
    echo $(((more - some) * 10 / (many - few)))
}
