#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Asserts the results of the benchmark that do not depend on a clock: instructions (counted by
# callgrind), calls for file space (counted by the program), and the share of a kind that blocks can
# use.
#
# Usage: quick.sh BENCH [PRELOAD], where PRELOAD is libmemkind-preload.so
#
# All counts are those of a loop around the calls, and include some instructions of the loop.

set -eu

LC_ALL=C
export LC_ALL

bench=${1:?usage: quick.sh BENCH [PRELOAD], with MEMKIND_SO set}
interposer=${2-}
library=${MEMKIND_SO:?names the library to test}
dir=${MEMKIND_TEST_DIR:-/dev/shm}
[ -w "$dir" ] || dir=/tmp
unset LD_PRELOAD MEMKIND_ARENA_NUM_PER_KIND MEMKIND_HOG_MEMORY MEMKIND_DEBUG
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v valgrind >/dev/null; then
    echo "no valgrind here: skipped"
    exit 77
fi

# check WHAT VALUE RELATION LIMIT: prints the value, and records whether the relation holds.
check() {
    verdict=ok
    awk "BEGIN { exit !($2 $3 $4) }" || { verdict=FAILED; failures=$((failures + 1)); }
    printf '%-62s %9s %s %-9s %s\n' "$1" "$2" "$3" "$4" "$verdict"
}

# die OUTPUT COMMAND...: prints why a worker failed.
die() {
    cat "$1" >&2
    shift
    echo "failed: $*" >&2
    exit 1
}

# worker HEAP ARGUMENT...: prints a worker's output. HEAP is library or libc.
worker() {
    if [ "$1" = library ]; then
        shift
        LD_PRELOAD=$library "$bench" --worker --kind --provider "$library" --dir "$dir" "$@" \
            2>"$work/err" || die "$work/err" "$@"
    else
        shift
        "$bench" --worker "$@" 2>"$work/err" || die "$work/err" "$@"
    fi
}

# --- instructions --------------------------------------------------------------------------------

# Multiples of the 1,000 or 1,024 operations between two readings of the clock. The difference of
# the two runs is counted.
short=128000
long=384000

# instructions HEAP WORKLOAD OPERATIONS: prints the instructions of the whole process. HEAP is
# library, default, preload or libc.
instructions() {
    set -- "$1" --workload "$2" --operations "$3"
    heap=$1
    shift
    preload=
    case $heap in
    library) set -- "$@" --kind --provider "$library" --dir "$dir" ;;
    default) set -- "$@" --default-kind --provider "$library" ;;
    esac
    case $heap in
    library | default) preload=$library ;;
    preload) preload=$interposer ;;
    esac
    MEMKIND_PRELOAD_DIR=$dir MEMKIND_PRELOAD_STRICT=1 LD_PRELOAD=$preload valgrind \
        --tool=callgrind --callgrind-out-file="$work/callgrind" "$bench" --worker "$@" \
        >"$work/out" 2>"$work/err" || die "$work/err" "$@"
    sed -n 's/.*Collected : //p' "$work/err"
}

# cost HEAP WORKLOAD: prints the instructions of one operation.
cost() {
    some=$(instructions "$1" "$2" $short)
    more=$(instructions "$1" "$2" $long)
    awk "BEGIN { printf \"%.1f\", ($more - $some) / ($long - $short) }"
}

pair=$(cost library pairs)
pair_libc=$(cost libc pairs)
random=$(cost library random)
random_libc=$(cost libc random)
default_pair=$(cost default pairs)
default_random=$(cost default random)
free_null=$(cost library free-null)
detect=$(cost library detect)
[ -z "$interposer" ] || preload_pair=$(cost preload pairs)

echo "Instructions"
check "malloc(64) and free" "$pair" '<=' 70
check "malloc(64) and free, and the C library's" "$pair" '<' "$pair_libc"
check "replace one of 1,024 blocks" "$random" '<=' 97
check "replace one of 1,024 blocks, and the C library's" "$random" '<' "$random_libc"
check "malloc(64) and free, MEMKIND_DEFAULT" "$default_pair" '<=' 70
check "replace one of 1,024 blocks, MEMKIND_DEFAULT" "$default_random" '<=' 97
[ -z "$interposer" ] ||
    check "malloc(64) and free through the preload library" "$preload_pair" '<=' 68
check "free of NULL's kind beyond free of a named kind" \
    "$(awk "BEGIN { print $free_null - $pair }")" '<=' 20
check "memkind_detect_kind" "$detect" '<=' 40

# --- calls for file space ------------------------------------------------------------------------

# value METRIC: prints a metric from a worker's output in $work/out.
value() {
    sed -n "s/^$1 //p" "$work/out"
}

echo "Calls for file space (fallocate, or madvise to populate)"
worker library --workload fill --max-size 1073741824 >"$work/out"
check "to fill 1 GiB with blocks of 2,196 bytes" "$(value space-calls)" '<=' 600
check "which are counted indeed" "$(value space-calls)" '>' 0

# Few rounds, so that no memory has decayed yet.
worker library --workload large --operations 10 >"$work/out"
few=$(value space-calls)
worker library --workload large --operations 110 >"$work/out"
check "to use a block of 4 MiB 100 times more" "$(($(value space-calls) - few))" '==' 0

# --- space ---------------------------------------------------------------------------------------

usable() {
    awk "BEGIN { print 100 - $(value unusable) }"
}

echo "Percent of max_size (256 MiB) that blocks can use"
worker library --workload fill >"$work/out"
check "blocks of 2,196 bytes" "$(usable)" '>=' 99
worker library --workload refill >"$work/out"
check "blocks of 700 bytes after these were all freed" "$(usable)" '>=' 97

# --- workloads in which threads share blocks -----------------------------------------------------

# These measure time and memory. The test only asserts that they print values.
echo "Peak of resident memory, MiB"
for workload in batches inherit rows producer-consumer bleed; do
    worker library --workload $workload --threads 2 --seconds 0.2 >"$work/out"
    check "$workload" "$(value peak)" '>' 0
    check "$workload, time of an operation" \
        "$(value time)" '>' 0
done

# --- the files -----------------------------------------------------------------------------------

# Two numbers of threads are in one line of the table.
"$bench" --library "$library" --dir "$dir" --filter pairs --threads 1,2 --seconds 0.01 \
    --repetitions 1 --table "$work/table" --csv "$work/csv" --svg "$work/svg" >"$work/out"
echo "Lines of the files"
check "the table: a head of four lines and one workload" "$(wc -l <"$work/table")" '==' 5
# shellcheck disable=SC2016
check "of which one has numbers for two thread counts" \
    "$(grep -c '^| `pairs` | [0-9.]* / [0-9.]* |' "$work/table")" '==' 1
check "results of this library" "$(grep -c ',this library,measured,' "$work/csv")" '==' 2
check "a picture" "$(grep -c '<svg' "$work/svg")" '==' 1

[ "$failures" -eq 0 ] || { echo "$failures failed" >&2; exit 1; }
