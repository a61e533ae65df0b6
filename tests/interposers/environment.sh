#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# libmemtier's environment: each parameter with valid and invalid values, the messages, and how the
# process ends. If the distribution's libmemkind-dev is installed, memkind's own libmemtier is
# compared: this library accepts what it accepts, aborts where it aborts, and prints its lines,
# perhaps longer.

. "$(dirname "$0")/lib.sh"

ABORTED=134
CRASHED=139

theirs=$("${CC:-cc}" -print-file-name=libmemtier.so)
theirs=$([ -f "$theirs" ] && readlink -f "$theirs" || true)
! nm -D "${theirs:-/dev/null}" 2>/dev/null | grep -q mallocx || theirs=
cases=0
asked=0

# ask LIBRARY: runs the case on that library. Sets $status; the output is in $work/FILE.
ask()
{
    status=0
    # The shell prints to its own stderr that a process has aborted.
    {
        env "${variables[@]}" LD_PRELOAD="$1" /bin/echo served >"$work/out" 2>"$work/$2"
    } 2>/dev/null || status=$?
}

# contains THEIRS OURS: succeeds if each line of the first file is the beginning of a line of the
# second, in the same order.
contains()
{
    exec 3<"$2"
    while IFS= read -r line; do
        # memkind prints what strtok(3) has left of the list.
        line=${line/%Failed to add tierPOLICY/Failed to}
        while :; do
            IFS= read -r ours <&3 || fail "memkind says \"$line\", and here: $(cat "$2")"
            [ "${ours#"$line"}" = "$ours" ] || break
        done
    done <"$1"
    exec 3<&-
}

# compare: compares the case with memkind's own library. A case that crashes there need not crash
# here.
compare()
{
    local ours=$status
    [ -n "$theirs" ] || return 0
    asked=$((asked + 1))
    ask "$theirs" theirs
    if [ "$status" = $CRASHED ]; then
        [ "$ours" = $ABORTED ] || fail "memkind crashes, and here: $ours"
        return 0
    fi
    [ "$status" = "$ours" ] || fail "memkind ends with $status: $(cat "$work/theirs")"
    contains "$work/theirs" "$work/ours"
}

# begin TIERS [THRESHOLDS [LEVEL]]: sets the case's variables; "-" for an unset one.
begin()
{
    variables=()
    [ "$1" = - ] || variables+=("MEMKIND_MEM_TIERS=$1")
    [ "${2:--}" = - ] || variables+=("MEMKIND_MEM_THRESHOLDS=$2")
    [ "${2-x}" != "" ] || variables+=("MEMKIND_MEM_THRESHOLDS=")
    [ "${3:--}" = - ] || variables+=("MEMKIND_MEM_TIERING_LOG_LEVEL=$3")
    cases=$((cases + 1))
    echo "== ${variables[*]:-nothing}"
    ask "$library" ours
}

# right TIERS [THRESHOLDS [LEVEL [LINE...]]]: expects the program to run, and these lines.
right()
{
    begin "$@"
    [ "$status" = 0 ] && [ "$(cat "$work/out")" = served ] ||
        fail "status $status: $(cat "$work/ours")"
    [ "$(cat "$work/ours")" = "$(printf '%s\n' "${@:4}")" ] || fail "it says: $(cat "$work/ours")"
    compare
}

# wrong LINE TIERS [THRESHOLDS [LEVEL]]: expects the process to abort after this line and perhaps
# others.
wrong()
{
    begin "${@:2}"
    [ "$status" = $ABORTED ] || fail "status $status"
    grep -qxF "MEMKIND_MEM_TIERING_LOG_ERROR: $1" "$work/ours" ||
        fail "it says: $(cat "$work/ours")"
    compare
}

dram=KIND:DRAM,RATIO:1
file=KIND:FS_DAX,PATH:$pmem,RATIO:4
static=POLICY:STATIC_RATIO
dynamic="$dram;$file;POLICY:DYNAMIC_THRESHOLD"
three="$dram;$file;$file;POLICY:DYNAMIC_THRESHOLD"
info="MEMKIND_MEM_TIERING_LOG_INFO: Memkind memtier lib loaded!"

# -- The list
wrong 'Missing MEMKIND_MEM_TIERS env var' -
wrong 'No valid query found in: ' ''
wrong 'No valid query found in: ;;' ';;'
wrong 'Too low number of queries in configuration string: x' x
wrong "Too low number of queries in configuration string: $dram" "$dram"
wrong "Too low number of queries in configuration string: $static" "$static"
wrong 'Invalid parameter: POLICY' "$dram;$static;"
wrong 'Invalid parameter: POLICY' "$dram;;$static"
wrong 'Invalid parameter: POLICY' ";$dram;$static"
wrong 'Invalid parameter: POLICY' "$dram;$static;$static"
wrong "Failed to parse query: $static" "$dram;$static;$dram"
wrong 'Missing POLICY parameter in the query: ' "$dram;;"
right "$dram;$static"
right "RATIO:1,KIND:DRAM;$static"
right "$dram,;$static"

# -- POLICY
wrong 'Unknown policy: FOO' "$dram;POLICY:FOO"
wrong 'Unknown policy: ' "$dram;POLICY"
wrong 'Unknown policy: static_ratio' "$dram;POLICY:static_ratio"
wrong 'Unknown policy: STATIC_RATIO,FOO:1' "$dram;POLICY:STATIC_RATIO,FOO:1"
wrong 'Unknown policy:  STATIC_RATIO' "$dram;POLICY: STATIC_RATIO"
wrong 'Missing POLICY parameter in the query: FOO' "$dram;FOO:STATIC_RATIO"
wrong 'Missing POLICY parameter in the query: FOO' "$dram;FOO"
wrong 'No memory of these tiers: Invalid argument' "$dram;POLICY:DYNAMIC_THRESHOLD"
right "$dynamic"
right "$dram;$file;$static"

# -- KIND
wrong 'Unsupported kind: FOO' "KIND:FOO,RATIO:1;$static"
wrong 'Failed to parse query: KIND:FOO,RATIO:1' "KIND:FOO,RATIO:1;POLICY:FOO"
wrong 'Unsupported kind: DRAM:RATIO:1' "KIND:DRAM:RATIO:1;$static"
wrong 'Unsupported kind: RATIO:1' "KIND:,RATIO:1;$static"
wrong 'KIND param not found' "KIND;$static"
wrong 'KIND param not found' "RATIO:1;$static"
wrong 'KIND param already defined' "KIND:DRAM,KIND:DRAM,RATIO:1;$static"
wrong 'Failed to add tier 2: File exists' "$dram;$dram;$static"
wrong 'Allocation to DAX KMEM nodes failed!' "KIND:KMEM_DAX,RATIO:1;$static"
wrong 'Invalid parameter: kind' "kind:DRAM,RATIO:1;$static"
wrong 'Invalid parameter:  KIND' " KIND:DRAM,RATIO:1;$static"
wrong 'Invalid parameter: FOO' "$dram,FOO:2;$static"
wrong 'Invalid parameter: FOO' "FOO;$static"
wrong 'Invalid parameter: KIND=DRAM,RATIO=1' "KIND=DRAM,RATIO=1;$static"
wrong 'Invalid parameter: ,RATIO' "KIND:DRAM,,RATIO:1;$static"

# -- RATIO
wrong 'RATIO param not found' "KIND:DRAM;$static"
wrong 'RATIO param already defined' "$dram,RATIO:2;$static"
wrong 'Ratio not provided' "KIND:DRAM,RATIO:;$static"
wrong 'Ratio not provided' "KIND:DRAM,RATIO;$static"
for ratio in 0 -1 a 4294967296; do
    wrong "Unsupported ratio: $ratio" "KIND:DRAM,RATIO:$ratio;$static"
done
for ratio in 4294967295 ' 1' +1 010 0x10 1x; do
    right "KIND:DRAM,RATIO:$ratio;$static"
done

# -- PATH
wrong 'PATH param can be defined only for FS_DAX kind' "$dram,PATH:$pmem;$static"
wrong 'PATH param can be defined only for FS_DAX kind' "PATH:$pmem,RATIO:1;$static"
wrong 'PATH param can be defined only for FS_DAX kind' "$dram,PMEM_SIZE_LIMIT:32M,PATH:x;$static"
wrong 'PATH param (required for FS_DAX) not found' "KIND:FS_DAX,RATIO:1;$static"
wrong 'PATH param not found' "KIND:FS_DAX,RATIO:1,PATH:;$static"
wrong 'PATH param not found' "$dram,PATH;$static"
wrong 'PATH param already defined' "$file,PATH:$pmem;$static"
wrong 'No memory in PATH /nonexistent: No such file or directory' \
    "KIND:FS_DAX,RATIO:1,PATH:/nonexistent;$static"
wrong 'Failed to parse query: KIND:FS_DAX,PATH:/proc,RATIO:1' \
    "KIND:FS_DAX,PATH:/proc,RATIO:1;$static"
right "PATH:$pmem,RATIO:1,KIND:FS_DAX;$static"
right "$file;$file;$static"

# -- PMEM_SIZE_LIMIT
wrong 'PMEM_SIZE_LIMIT param can be defined only for FS_DAX kind' "$dram,PMEM_SIZE_LIMIT:1G;$static"
wrong 'PMEM_SIZE_LIMIT param already defined' \
    "$file,PMEM_SIZE_LIMIT:32M,PMEM_SIZE_LIMIT:64M;$static"
wrong 'Failed to parse size: ' "$file,PMEM_SIZE_LIMIT:;$static"
for size in 32m 32MB 32T abc -1 1.5G 99999999999999999999999999 99999999999999999999G; do
    wrong "Failed to parse size: $size" "$file,PMEM_SIZE_LIMIT:$size;$static"
done
wrong 'Provided size is too big: 99999999999' "$file,PMEM_SIZE_LIMIT:99999999999G;$static"
wrong "Failed to parse query: $file,PMEM_SIZE_LIMIT:1" "$file,PMEM_SIZE_LIMIT:1;$static"
for size in 0 16777216 16384K 32M 1G; do
    right "$file,PMEM_SIZE_LIMIT:$size;$static"
done

# -- MEMKIND_MEM_THRESHOLDS
only='MEMKIND_MEM_THRESHOLDS env var could be used only with DYNAMIC_THRESHOLD policy'
wrong "$only" "$dram;$static" INIT_VAL:64
wrong "$only" "$dram;$static" ''
wrong 'No valid thresholds found in: ' "$dynamic" ''
for text in 'INIT_VAL:600;INIT_VAL:600' 'INIT_VAL:600;' ';' ';INIT_VAL:600'; do
    wrong 'Too many thresholds defined' "$dynamic" "$text"
done
wrong 'Too many thresholds defined' "$three" 'INIT_VAL:600;INIT_VAL:2000;INIT_VAL:3000'
wrong 'VAL defined twice' "$dynamic" INIT_VAL:64,INIT_VAL:65,MIN_VAL:1
wrong 'MIN defined twice' "$dynamic" MIN_VAL:64,MIN_VAL:65
wrong 'MAX defined twice' "$dynamic" MAX_VAL:64,MAX_VAL:65
for value in abc -1 99999999999999999999999; do
    wrong "Failed to parse value: $value" "$dynamic" "INIT_VAL:$value,MIN_VAL:1"
done
wrong 'Failed to parse value: ' "$dynamic" INIT_VAL:
wrong 'Failed to parse threshold: INIT_VAL' "$dynamic" INIT_VAL
wrong 'Invalid parameter: FOO' "$dynamic" FOO:1
wrong 'Failed to parse threshold: INIT_VAL:600,FOO:1' "$dynamic" INIT_VAL:600,FOO:1
wrong 'Invalid parameter: INIT_VAL=64' "$dynamic" INIT_VAL=64
wrong 'Invalid parameter: ,' "$dynamic" ,
for text in INIT_VAL:64 MAX_VAL:600 MIN_VAL:2000; do
    wrong 'No memory of these tiers: Invalid argument' "$dynamic" "$text"
done
wrong 'No memory of these tiers: Invalid argument' "$three" 'INIT_VAL:600;INIT_VAL:600'
wrong 'No memory of these tiers: Invalid argument' "$three" \
    'INIT_VAL:600,MAX_VAL:3000;INIT_VAL:1800'
for text in INIT_VAL:64,MIN_VAL:1,MAX_VAL:10000 INIT_VAL:600 MIN_VAL:600 INIT_VAL:1K,MIN_VAL:1 \
    INIT_VAL:0,MIN_VAL:0 INIT_VAL:600,; do
    right "$dynamic" "$text"
done
right "$three" INIT_VAL:600
right "$three" 'INIT_VAL:600;INIT_VAL:2000'

# -- MEMKIND_MEM_TIERING_LOG_LEVEL
right "$dram;$static" - 0
right "$dram;$static" - 1 "$info"
right "$dram;$static" - ' 1' "$info"
right "$dram;$static" - +1 "$info"
right "$dram;$static" - 2 'MEMKIND_MEM_TIERING_LOG_DEBUG: Setting log level to: 2' "$info"
right "$file;$static" - 1 "$info" "MEMKIND_MEM_TIERING_LOG_INFO: $pmem don't point to DAX device"
for level in 3 -1 abc 1x; do
    wrong "Wrong value of MEMKIND_MEM_TIERING_LOG_LEVEL=$level" "$dram;$static" - "$level"
done
wrong 'Wrong value of MEMKIND_MEM_TIERING_LOG_LEVEL=7' '' - 7

[ -z "$(ls -A "$pmem")" ] || fail "left behind: $(ls -A "$pmem")"
echo "$cases cases, $asked of which were asked of memkind too"
