#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Odd uses of malloc, on the preload library. Usage: odd.sh ODD PLUGIN NEEDS-PLUGIN

. "$(dirname "$0")/lib.sh"

odd=$1
export ODD_PLUGIN=$2

# run CASE [NAME=VALUE...]: expects success and nothing on stderr.
run()
{
    local name=$1
    shift
    echo "== $name $*"
    preloaded "$@" "$odd" "$name" >"$work/out" 2>"$work/err" || { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "$name prints: $(cat "$work/err")"
    cat "$work/out"
}

"$odd" libc || fail "the program does not even run on libc"
run before
run exit
grep -q destroyed "$work/out" || fail "the destructor did not run"
run family
run aligned
run sides MEMKIND_PRELOAD_MIN=1000 MEMKIND_PRELOAD_MAX=100000
run full-dram MEMKIND_PRELOAD_SIZE=16M
run full-dram MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_RATIO=1:10000
run full-fail MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_FALLBACK=fail
run shrink MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_MAX=4M MEMKIND_PRELOAD_FALLBACK=fail
run threads
run threads MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_RATIO=1:2
run threads MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_MIN=2000
run ratio MEMKIND_PRELOAD_RATIO=1:4
run dlopen
run descriptors
run fork
run fork-api
run fork-api MEMKIND_PMEM_FORK=share
run libc-calls
run libc-calls MEMKIND_PRELOAD_MIN=8
run resize
run fork-libc
run fork-libc MEMKIND_PMEM_FORK=share
run fork-threads
run fork-in-handler MEMKIND_IDLE_THREAD=0
run exec

echo "== another library that is preloaded too"
LD_PRELOAD=$ODD_PLUGIN:$library MEMKIND_PRELOAD_DIR=$work/pmem "$odd" kind || fail "behind a plugin"
LD_PRELOAD=$library:$ODD_PLUGIN MEMKIND_PRELOAD_DIR=$work/pmem "$odd" kind || fail "before a plugin"

echo "== fork handlers of a library that starts before it"
LD_PRELOAD=$library:$3 MEMKIND_PRELOAD_DIR=$work/pmem timeout 60 "$odd" fork-handlers ||
    fail fork-handlers

echo "== a program with its owner's rights"
cp "$odd" "$work/setuid"
if [ "$(id -u)" = 0 ] && chown 65534 "$work/setuid" && chmod 4755 "$work/setuid" &&
    chmod 755 "$work" && [ "$("$work/setuid" 2>/dev/null; echo $?)" = 2 ] &&
    ! findmnt -n -o OPTIONS -T "$work" | grep -q nosuid; then
    preloaded "$work/setuid" libc 2>"$work/err" || { cat "$work/err"; fail "setuid"; }
else
    echo "left out: needs root, and a file system that is not mounted nosuid"
fi

[ -z "$(ls -A "$work/pmem")" ] || fail "left behind: $(ls -A "$work/pmem")"
