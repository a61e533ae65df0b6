#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind-pmem check on directories: its output and exit status. Usage: check.sh MEMKIND-PMEM

. "$(dirname "$0")/../preload/lib.sh"

tool=$1

# check STATUS ARGUMENT...: runs the command and expects the exit status; output in $work/out and
# $work/err.
check()
{
    local wanted=$1 status=0
    shift
    "$tool" check "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$wanted" ] ||
        { cat "$work/out" "$work/err"; fail "check $* exits with $status"; }
}

# says TEXT: expects TEXT on stdout.
says()
{
    grep -qF -- "$1" "$work/out" || { cat "$work/out"; fail "it does not say: $1"; }
}

dax_status=1
[ "$(stat -f -c %T "$work")" = tmpfs ] || dax_status='[01]'
echo "== a directory"
status=0
"$tool" check "$work/pmem" >"$work/out" || status=$?
[[ $status == $dax_status ]] || { cat "$work/out"; fail "exits with $status"; }
cat "$work/out"
[ "$(wc -l <"$work/out")" = 4 ] || fail "not a table of one row and one sentence"
! grep -q $'\033' "$work/out" || fail "colours, and no terminal"
[ -z "$(ls -A "$work/pmem")" ] || fail "left behind: $(ls -A "$work/pmem")"
if [ "$dax_status" = 1 ]; then
    grep -qE "^$work/pmem +tmpfs +no +yes +(yes|no) " "$work/out" || fail "not the row of a tmpfs"
    says "$work/pmem: works, without DAX"
fi

echo "== places that cannot be used"
check 2 /nonexistent
says "/nonexistent: cannot be used (No such file or directory). Name"
check 2 "$tool"
says "cannot be used (Not a directory). Name"
check 2 /proc
says "/proc: cannot be used ("
check 2 /dev/null
says "/dev/null: cannot be used (Not a directory). Name a directory, or a device"
check 2 /dev/dax99.99
says 'gives it back; "daxctl list" shows what devices there are.'
check 2 "$work/pmem" /nonexistent
[ "$(wc -l <"$work/out")" = 6 ] || fail "not a table of two rows and two sentences"

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    echo "== file systems that are full, small, and with large pages"
    unshare -m bash -c '
        mount -t tmpfs -o size=64M,huge=always none "$1/pmem" || exit 77
        "$2" check "$1/pmem" >"$1/huge"
        head -c 40M /dev/zero >"$1/pmem/fill"
        "$2" check --json "$1/pmem" >"$1/small.json"
        cat /dev/zero >"$1/pmem/fill" 2>/dev/null
        "$2" check "$1/pmem" >"$1/full"; echo $? >"$1/full-status"' - "$work" "$tool" || mounts=no
    if [ "${mounts:-}" != no ] || [ -s "$work/full-status" ]; then
        [ "$(cat "$work/full-status")" = 2 ] || fail "a full file system is of use"
        grep -qE "^$work/pmem .* 64 MiB +0 B " "$work/full" || fail "full: $(cat "$work/full")"
        grep -q "cannot be used (No space left" "$work/full" || fail "full: $(cat "$work/full")"
        grep -q '"size": 67108864' "$work/small.json" || fail "small: $(cat "$work/small.json")"
        grep -q '"free": 25165824' "$work/small.json" || fail "small: $(cat "$work/small.json")"
        if [ -e /sys/kernel/mm/transparent_hugepage/shmem_enabled ]; then
            grep -qE "tmpfs +no +yes +yes " "$work/huge" ||
                fail "no large pages: $(cat "$work/huge")"
        fi
    fi
fi

echo "== a limit of the file size, and the fork mode"
(
    ulimit -f 1024
    "$tool" check --json "$work/pmem" || [ $? = 1 ]
) >"$work/out" || fail "it does not endure a limit"
says '"reason": "not measured: File too large"'
status=0
MEMKIND_PMEM_FORK=nonsense "$tool" check "$work/pmem" >"$work/out" || status=$?
[[ $status == $dax_status ]] ||
    { cat "$work/out"; fail "MEMKIND_PMEM_FORK makes it exit with $status"; }

echo "== options of the mount, each once, and the only node"
"$tool" check --json "$work/pmem" >"$work/out" || [ $? = 1 ]
options=$(sed -n 's/^ *"options": "\(.*\)",$/\1/p' "$work/out")
[ -n "$options" ] && [ -z "$(tr , '\n' <<<"$options" | sort | uniq -d)" ] ||
    fail "options: $options"
[ "$(tr , '\n' <<<"$options" | grep -cx 'r[ow]')" = 1 ] || fail "options: $options"
if grep -qsx '[0-9]*' /sys/devices/system/node/has_memory; then
    says "\"numa_node\": $(cat /sys/devices/system/node/has_memory),"
fi

echo "== JSON"
# A name with a UTF-8 character and an invalid byte.
odd="$work/a\"b"$'\303\244\377'
mkdir "$odd"
status=0
"$tool" check --json "$odd" /nonexistent >"$work/out" || status=$?
[ $status = 2 ] || fail "exits with $status"
python3 - "$work/out" "$odd" <<'END' || { cat "$work/out"; fail "not the JSON that was meant"; }
import json, os, sys
first, second = json.load(open(sys.argv[1], encoding="utf-8"))
assert first["path"] == os.fsencode(sys.argv[2]).decode("utf-8", "replace"), first["path"]
assert first["verdict"] in ("dax", "works") and first["hole_punching"] in (True, False)
assert first["map_sync"] == (first["verdict"] == "dax")
assert first["size"] >= first["free"] > 0
assert first["first_touch_bandwidth"] > 0 and first["copy_bandwidth"] > 0
assert first["advice"].endswith(".")
assert second["verdict"] == "useless" and second["size"] is None and second["map_sync"] is None
END

echo "== invalid use"
check 125 --nonsense
grep -q -- 'check --help' "$work/err" || fail "$(cat "$work/err")"
grep -q '^memkind-pmem check: unrecognized' "$work/err" || fail "$(cat "$work/err")"
check 0 --help
says "Exit status:"
for command in --help help; do
    "$tool" $command >"$work/out" || fail "$command"
    says "check [PATH...]"
done
for command in '' nonsense; do
    status=0
    # shellcheck disable=SC2086 # none, or one
    "$tool" $command 2>"$work/err" || status=$?
    [ $status = 125 ] && grep -q -- '--help' "$work/err" || fail "no command: $(cat "$work/err")"
done
