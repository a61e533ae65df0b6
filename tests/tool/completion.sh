#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# bash completion for memkind-pmem. Environment: MEMKIND_SOURCE_DIR.

. "$(dirname "$0")/../preload/lib.sh"
. "$MEMKIND_SOURCE_DIR/src/tool/completion.bash"

# completes EXPECTED WORD...: the last word completes to one of EXPECTED.
completes()
{
    local wanted=$1
    shift
    COMP_WORDS=(memkind-pmem "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _memkind_pmem
    [ "${COMPREPLY[*]}" = "$wanted" ] || fail "$*: ${COMPREPLY[*]} instead of $wanted"
}

complete -p memkind-pmem | grep -q _memkind_pmem || fail "not installed for the command"
completes 'check run stats --help --version' ''
completes 'check' c
completes 'run' r
completes "$$" stats $$
completes '--json' check --j
completes '--nodes' check --n
completes "$work/pmem" check "$work/pm"
completes '--size' run --s'ize'
completes '--except' run --e
completes '' run --except ''
completes '--size --stats' run --s
completes 'dram fail' run --fallback ''
completes "$work/pmem" run --dir "$work/pm"
completes '' run --size ''
mkdir "$work/bin"
cp "$(type -P true)" "$work/bin/memkind-test-tool"
PATH=$work/bin:$PATH
completes 'memkind-test-tool' run --dir "$work" -- memkind-test-
completes "$work/pmem" run -- ls "$work/pm"
