#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The environment variables of the preload library: the effect of each, and invalid values.
#
# Usage: settings.sh ODD

. "$(dirname "$0")/lib.sh"

odd=$1
EXIT_STRICT=125

# wrong PATTERN [NAME=VALUE...]: expects one matching line on stderr, and libc's malloc; under
# STRICT, the end of the process.
wrong()
{
    local pattern=$1 status=0
    shift
    echo "== $*: $pattern"
    MEMKIND_PRELOAD_DIR=$work/pmem env "$@" LD_PRELOAD="$library" "$odd" libc 2>"$work/err" ||
        { cat "$work/err"; fail "does not go on"; }
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
    grep -q "^memkind-preload: .*$pattern.*; libc's malloc is used$" "$work/err" ||
        fail "it says: $(cat "$work/err")"
    MEMKIND_PRELOAD_DIR=$work/pmem env "$@" LD_PRELOAD="$library" MEMKIND_PRELOAD_STRICT=1 \
        "$odd" libc >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = $EXIT_STRICT ] || fail "under STRICT the status is $status"
    [ "$(wc -l <"$work/err")" = 1 ] && grep -q "^memkind-preload: .*$pattern" "$work/err" ||
        fail "under STRICT it says: $(cat "$work/err")"
}

# right CASE [NAME=VALUE...]: expects nothing on stderr.
right()
{
    local name=$1
    shift
    echo "== $name $*"
    preloaded "$@" "$odd" "$name" 2>"$work/err" || { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "it says: $(cat "$work/err")"
}

right kind
wrong 'MEMKIND_PRELOAD_DIR does not name a directory, nor _NODES' -u MEMKIND_PRELOAD_DIR
wrong 'MEMKIND_PRELOAD_DIR does not name a directory, nor _NODES' MEMKIND_PRELOAD_DIR=
wrong 'MEMKIND_PRELOAD_DIR=/nonexistent (No such file' MEMKIND_PRELOAD_DIR=/nonexistent
wrong 'MEMKIND_PRELOAD_DIR=/dev/null (Not a directory' MEMKIND_PRELOAD_DIR=/dev/null
# Directories of the kernel take no files.
wrong 'MEMKIND_PRELOAD_DIR=/proc' MEMKIND_PRELOAD_DIR=/proc

for value in '' x -1 1Q 12M3 1MB 0x10 ' 1' 99999999999999999999 18446744073709551615K; do
    wrong "MEMKIND_PRELOAD_SIZE=$value is not a size" MEMKIND_PRELOAD_SIZE="$value"
done
wrong 'MEMKIND_PRELOAD_MIN=1MB is not a size' MEMKIND_PRELOAD_MIN=1MB
wrong 'MEMKIND_PRELOAD_MAX=-1 is not a size' MEMKIND_PRELOAD_MAX=-1
wrong 'MEMKIND_PRELOAD_SIZE=1M is not 0' MEMKIND_PRELOAD_SIZE=1M
right kind MEMKIND_PRELOAD_SIZE=0
right kind MEMKIND_PRELOAD_SIZE=16777216
for unit in K M G T; do
    right kind MEMKIND_PRELOAD_SIZE=65536$unit
done
wrong 'MEMKIND_PRELOAD_AFTER=x is not a size' MEMKIND_PRELOAD_AFTER=x
wrong 'MEMKIND_PRELOAD_MIN is larger' MEMKIND_PRELOAD_MIN=2K MEMKIND_PRELOAD_MAX=1K
right libc MEMKIND_PRELOAD_MIN=101
right libc MEMKIND_PRELOAD_MAX=99
right kind MEMKIND_PRELOAD_MIN=3M MEMKIND_PRELOAD_MAX=3M

for value in '' 1 1: :1 0:1 1:0 1:4:5 1:x 10001:1 1:10001; do
    wrong "MEMKIND_PRELOAD_RATIO=$value is not a ratio" MEMKIND_PRELOAD_RATIO="$value"
done
right kind MEMKIND_PRELOAD_RATIO=1:10000

for value in '' none DRAM; do
    wrong "MEMKIND_PRELOAD_FALLBACK=$value is not" MEMKIND_PRELOAD_FALLBACK="$value"
done
right kind MEMKIND_PRELOAD_FALLBACK=fail

name=$(basename "$odd")
right libc MEMKIND_PRELOAD_EXCEPT="$name"
right libc MEMKIND_PRELOAD_EXCEPT="a,$name,b"
right libc MEMKIND_PRELOAD_EXCEPT="$name" MEMKIND_PRELOAD_SIZE=1M MEMKIND_PRELOAD_DIR=/nonexistent
for value in "" , "x$name" "${name}x" "/$name" "$name "; do
    right kind MEMKIND_PRELOAD_EXCEPT="$value"
done

wrong 'MEMKIND_PRELOAD_DEEPBIND=yes is not 0 or 1' MEMKIND_PRELOAD_DEEPBIND=yes
wrong 'MEMKIND_PRELOAD_PUBLISH=2 is not 0 or 1' MEMKIND_PRELOAD_PUBLISH=2
right kind MEMKIND_PRELOAD_PUBLISH=0
right threads MEMKIND_PRELOAD_PUBLISH=1
right fork MEMKIND_PRELOAD_PUBLISH=1

echo "== MEMKIND_PRELOAD_STRICT"
for value in '' 2 yes; do
    env LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT="$value" \
        "$odd" libc 2>"$work/err" || fail "does not go on"
    grep -q "^memkind-preload: MEMKIND_PRELOAD_STRICT=$value is not 0 or 1" "$work/err" ||
        fail "it says: $(cat "$work/err")"
done

wrong 'MEMKIND_PRELOAD_STATS=/nonexistent/stats cannot be written (No such file' \
    MEMKIND_PRELOAD_STATS=/nonexistent/stats
wrong 'MEMKIND_PRELOAD_STATS=.* cannot be written (File name too long' \
    MEMKIND_PRELOAD_STATS="$(printf '%05000d' 0)"
mkdir "$work/gone"
(
    # A removed working directory has no absolute path.
    cd "$work/gone"
    rmdir "$work/gone"
    wrong 'MEMKIND_PRELOAD_STATS=stats cannot be written (No such file' MEMKIND_PRELOAD_STATS=stats
)
echo "== MEMKIND_PRELOAD_STATS that cannot be written at the end"
mkdir "$work/gone"
preloaded MEMKIND_PRELOAD_STATS="$work/gone/stats" rm -r "$work/gone" 2>"$work/err" ||
    fail "the program fails"
[ ! -s "$work/err" ] && [ ! -e "$work/gone" ] || fail "it says: $(cat "$work/err")"
right kind MEMKIND_PRELOAD_STATS=/dev/full
right kind MEMKIND_PRELOAD_STATS="$work/stats"
[ "$(number "$work/stats" file_space_peak)" -ge $((3 << 20)) ] || fail "$(cat "$work/stats")"
(cd "$work" &&
    right kind MEMKIND_PRELOAD_STATS='%p"\.%p' MEMKIND_PRELOAD_RATIO=1:4 MEMKIND_PRELOAD_SIZE=4G)
# The name contains the process id, and characters that JSON escapes.
stats=$(echo "$work"/[0-9]*)
[ -f "$stats" ] || fail "no file of that name"
process=$(number "$stats" process)
[ "$stats" = "$work/$process\"\\.$process" ] || fail "the file is $stats"
for key in threshold max_size file_space allocated fallbacks; do
    [ -n "$(number "$stats" $key)" ] || fail "no $key in $(cat "$stats")"
done
[ "$(number "$stats" max_size)" = $((4 << 30)) ] || fail "$(cat "$stats")"
place="$work/a\"b"$'\303\244\377'
mkdir "$place"
right full-dram MEMKIND_PRELOAD_STATS="$work/stats" MEMKIND_PRELOAD_SIZE=16M \
    MEMKIND_PRELOAD_DIR="$place"
[ "$(number "$work/stats" fallbacks)" -gt 50 ] || fail "$(cat "$work/stats")"
python3 - "$work/stats" "$stats" "$place" <<'END' || fail "not the JSON that was meant"
import json, os, sys
last, first = (json.load(open(name, encoding="utf-8")) for name in sys.argv[1:3])
assert first["program"] == last["program"] == "odd"
directory = os.fsencode(sys.argv[3]).decode("utf-8", "replace")
assert last["kinds"][0]["directory"] == directory, last
assert [kind["kind"] for kind in last["kinds"]] == ["pmem", "libc"]
END

echo "== exports"
# The functions of tcmalloc and mimalloc, which have a prefix of their own.
nm -D --defined-only "$library" | awk '{ print $NF }' | grep -Ev '^(tc_|MallocExtension_|mi_)' |
    sort >"$work/names"
sort >"$work/wanted" <<'END'
_Fork
_ZdaPv
_ZdaPvRKSt9nothrow_t
_ZdaPvSt11align_val_t
_ZdaPvSt11align_val_tRKSt9nothrow_t
_ZdaPvm
_ZdaPvmSt11align_val_t
_ZdlPv
_ZdlPvRKSt9nothrow_t
_ZdlPvSt11align_val_t
_ZdlPvSt11align_val_tRKSt9nothrow_t
_ZdlPvm
_ZdlPvmSt11align_val_t
_Znam
_ZnamRKSt9nothrow_t
_ZnamSt11align_val_t
_ZnamSt11align_val_tRKSt9nothrow_t
_Znwm
_ZnwmRKSt9nothrow_t
_ZnwmSt11align_val_t
_ZnwmSt11align_val_tRKSt9nothrow_t
__register_atfork
__strdup
__strndup
aligned_alloc
calloc
chroot
clone
close
close_range
closefrom
dallocx
dlopen
dup2
dup3
free
free_aligned_sized
free_sized
je_get_defrag_hint
mallctl
mallctlbymib
mallctlnametomib
malloc
malloc_stats_print
malloc_trim
malloc_usable_size
mallocx
memalign
nallocx
posix_memalign
prctl
pthread_create
pvalloc
rallocx
realloc
reallocarray
sallocx
sdallocx
strdup
strndup
syscall
valloc
wcsdup
xallocx
END
diff "$work/wanted" "$work/names" || fail "exports differ (<: wanted, >: the library)"
