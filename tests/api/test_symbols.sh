#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# symbols-1.14.txt has a line for each symbol of memkind 1.14. The library exports those that work,
# with the same type, none of the others, and of its own only those that are named here.
#
# Environment: MEMKIND_SO; MEMKIND_PEER, the library of memkind 1.14, by default where the linker
# finds it.

set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
additions="memkind_arena_defrag_reallocate memkind_arena_free_uncached memkind_arena_get_number
    memkind_arena_fork_is_unprepared memkind_arena_free_or memkind_arena_get_slab
    memkind_arena_get_stat memkind_arena_malloc_or
    memkind_arena_malloc_uncached memkind_arena_open_view memkind_arena_set_fallback
    memkind_arena_set_least_block
    memkind_config_set_fork memkind_config_set_prefault memkind_get_snapshot
    memkind_pmem_validate_dir memkind_purge
    memkind_set_allow_zero_allocs memkind_thaw"

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

command -v nm >/dev/null || exit 77

# exports LIBRARY: prints "D name" or "T name" for each symbol; B and R are data as well.
exports()
{
    nm -D --defined-only "$1" | awk '{ print ($2 ~ /^[BR]$/ ? "D" : $2), $3 }' | sort
}

table=$here/symbols-1.14.txt
awk '{ $1 = $2 = ""; print }' "$table" | grep -vnE '^  (works(, as .*)?|not yet, because .+)$' &&
    fail "lines that say neither \"works\" nor \"not yet, because ...\""

awk '$3 ~ /^works/ { print $1, $2 }' "$table" >"$work/works"
printf 'T %s\n' $additions >>"$work/works"
sort "$work/works" >"$work/expected"
exports "$MEMKIND_SO" | diff "$work/expected" - ||
    fail "the library (>) does not export what the table (<) says"

peer=${MEMKIND_PEER:-$(ldconfig -p 2>/dev/null |
    awk '/libmemkind\.so\.0 / && !found++ { print $NF }')}
if [ -n "$peer" ] && [ "$(readlink -f "$peer")" != "$(readlink -f "$MEMKIND_SO")" ]; then
    exports "$peer" | diff <(awk '{ print $1, $2 }' "$table" | sort) - ||
        fail "$peer (>) has other symbols than the table (<)"
else
    echo "memkind 1.14 is not here: its list was not compared"
fi
echo "$(grep -c ' works' "$table") of $(wc -l <"$table") symbols work"
