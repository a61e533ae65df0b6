#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Each exported function has an installed manual page: its own, or a link to the page that names it.
# A page names each exported table of operations.
#
# Environment: MEMKIND_BUILD_DIR, MEMKIND_SOURCE_DIR, CMAKE.

set -euo pipefail

work=$(mktemp -d "$MEMKIND_BUILD_DIR/manual-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

"${CMAKE:-cmake}" --install "$MEMKIND_BUILD_DIR" --prefix "$work" >"$work/install.log" ||
    { cat "$work/install.log"; exit 1; }

# ".so man3/..." is relative to this folder.
cd "$work/share/man"
functions=$(grep -oE '^ +mem(kind|tier)_[a-z0-9_]+;' "$MEMKIND_SOURCE_DIR/src/api/libmemkind.map" |
    tr -d ' ;')
[ "$(wc -w <<<"$functions")" -gt 50 ] || { echo "FAILED: too few functions found"; exit 1; }
missing=0
for function in $functions; do
    page=man3/$function.3
    [ ! -f "$page" ] || grep -q '^\.Sh NAME' "$page" || page=$(sed -n 's/^\.so //p' "$page")
    grep -qsE "^\.Nm $function( ,)?$" "$page" && continue
    echo "man $function: no page that names it"
    missing=$((missing + 1))
done
[ "$missing" -eq 0 ] || { echo "FAILED: $missing functions cannot be looked up"; exit 1; }

tables=$(grep -oE '^ +MEMKIND_[A-Z0-9_]+_OPS;' "$MEMKIND_SOURCE_DIR/src/api/libmemkind.map" |
    tr -d ' ;')
[ "$(wc -w <<<"$tables")" -gt 20 ] || { echo "FAILED: too few tables found"; exit 1; }
for table in $tables; do
    grep -qrE "^\.(Dv|Vt extern struct memkind_ops) $table( ,|;)?$" man3 ||
        { echo "FAILED: no page names $table"; exit 1; }
done

# Formats the links too, as a user would.
if command -v mandoc >/dev/null; then
    mandoc -T markdown man3/memkind_malloc.3 >"$work/page" &&
        grep -q 'DIFFERENCES FROM MEMKIND' "$work/page" ||
        { echo "FAILED: mandoc does not follow man3/memkind_malloc.3"; exit 1; }
fi
echo "passed: $(wc -w <<<"$functions") functions"
