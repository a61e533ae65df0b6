#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: programs with an allocator of their own, or with another one preloaded, crashed under the
# preload library.

. "$(dirname "$0")/../preload/lib.sh"

# aside NAME LIBRARIES COMMAND...: expects the command to run on its own allocator, without a kind.
# A line says so only under STRICT.
aside()
{
    local name=$1 libraries=$2
    shift 2
    echo "== $name keeps its allocator"
    env LD_PRELOAD="$libraries" MEMKIND_PRELOAD_DIR="$work/pmem" \
        MEMKIND_PRELOAD_STATS="$work/stats" "$@" >"$work/out" 2>"$work/err" ||
        { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "it prints: $(cat "$work/err")"
    [ ! -e "$work/stats" ] || fail "there was a kind: $(cat "$work/stats")"
    env LD_PRELOAD="$libraries" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1 "$@" \
        >"$work/out" 2>"$work/err" || { cat "$work/err"; fail "$name under STRICT"; }
    [ "$(wc -l <"$work/err")" = 1 ] &&
        grep -q "^memkind-preload: .* has a malloc of its own, which is used$" "$work/err" ||
        fail "under STRICT it says: $(cat "$work/err")"
}

# served NAME LIBRARIES COMMAND...: expects the command's heap in the file.
served()
{
    local name=$1 libraries=$2
    shift 2
    echo "== $name is served"
    rm -f "$work/stats"
    env LD_PRELOAD="$libraries" MEMKIND_PRELOAD_DIR="$work/pmem" \
        MEMKIND_PRELOAD_STATS="$work/stats" "$@" >"$work/out" 2>"$work/err" ||
        { cat "$work/err"; fail "$name"; }
    [ ! -s "$work/err" ] || fail "it prints: $(cat "$work/err")"
    [ "$(number "$work/stats" file_space_peak)" -gt 0 ] || fail "no kind: $(cat "$work/stats")"
    rm -f "$work/stats"
}

"$STRANGERS/own_malloc" >/dev/null || fail "own_malloc does not even run on libc"
aside own_malloc "$library" "$STRANGERS/own_malloc"
"$STRANGERS/malloc_and_free" >/dev/null || fail "malloc_and_free does not even run on libc"
aside malloc_and_free "$library" "$STRANGERS/malloc_and_free" all

# The executable itself: the one on PATH may be a script that starts it.
python=$(python3 -c 'import sys; print(sys.executable)') || skip "no python3 here"
found=0
for allocator in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
    path=$(ldconfig -p 2>/dev/null | sed -n "s/^.*$allocator .*=> //p" | head -n 1)
    if [ -z "$path" ]; then
        echo "== no $allocator here"
        continue
    fi
    found=$((found + 1))
    aside "ls on $allocator" "$path:$library" ls -l /
    aside "python on $allocator" "$path:$library" "$python" -c 'print("x" * 1000000)'
    # Placed after the preload library, the allocator is not used, even if it replaces libc's heap
    # under other names.
    served "ls before $allocator" "$library:$path" ls -l /
    served "python before $allocator" "$library:$path" \
        "$python" -c 'x = [bytes(i % 4000) for i in range(20000)]; print(len(x))'
    served "a ratio before $allocator" "$library:$path" MEMKIND_PRELOAD_RATIO=1:1 \
        "$python" -c 'x = [bytearray(i % 4000) for i in range(2000)]
for y in x: y.extend(b"0" * 3000)'
    [ -x "$STRANGERS/operators" ] || continue
    served "C++ before $allocator" "$library:$path" "$STRANGERS/operators" all
    [ "$(cat "$work/out")" = 15 ] || fail "blocks of operator new in the kind: $(cat "$work/out")"
done
echo "other allocators: $found"

# The address sanitizer's runtime must come first. It is then the program's own allocator.
runtime=$("${CC:-cc}" -print-file-name=libasan.so 2>/dev/null || true)
cat >"$work/text.c" <<'END'
#include <stdlib.h>
#include <string.h>
int main(void)
{
    char *text = realloc(strdup("text"), 1000);
    free(text);
    return text == NULL;
}
END
if [ "${runtime#/}" != "$runtime" ] &&
    "${CC:-cc}" -w -fno-builtin -fsanitize=address -o "$work/sanitized" "$work/text.c" \
    2>/dev/null; then
    aside "a program with the address sanitizer" "$runtime:$library" "$work/sanitized"
fi

if [ -x "$STRANGERS/operators" ]; then
    served "C++" "$library" "$STRANGERS/operators" all
    [ "$(cat "$work/out")" = 15 ] || fail "blocks of operator new in the kind: $(cat "$work/out")"
    served "C++ with operators of its own" "$library" "$STRANGERS/operators_replaced" replaced
    served "C++ in a full heap" "$library" MEMKIND_PRELOAD_SIZE=16M MEMKIND_PRELOAD_FALLBACK=fail \
        "$STRANGERS/operators" full
fi
