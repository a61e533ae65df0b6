# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of memkind-pmem(1) for bash.

_memkind_pmem()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i

    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'check run stats --help --version' -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
    check)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--json --nodes --help' -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -d -- "$word"; compgen -G "$word*" | grep '^/dev/dax')
        fi
        ;;
    run)
        for ((i = 2; i < COMP_CWORD; i++)); do
            [ "${COMP_WORDS[i]}" = -- ] || continue
            if [ $((i + 1)) = "$COMP_CWORD" ]; then
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
            fi
            return
        done
        case $before in
        --dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        --stats) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        --fallback) mapfile -t COMPREPLY < <(compgen -W 'dram fail' -- "$word") ;;
        --policy) mapfile -t COMPREPLY \
            < <(compgen -W 'bind preferred interleave weighted' -- "$word") ;;
        --kind) mapfile -t COMPREPLY \
            < <(compgen -W 'hbw hbw-all dax-kmem dax-kmem-all highest-capacity' -- "$word") ;;
        --nodes | --size | --min | --max | --ratio | --after | --except) ;;
        *)
            mapfile -t COMPREPLY \
                < <(compgen \
                -W '--dir --nodes --policy --kind --size --min --max --ratio --after --except
                --fallback --stats --publish --help --' -- "$word")
            ;;
        esac
        ;;
    stats) mapfile -t COMPREPLY < <(cd /proc && compgen -G "$word*" | grep -x '[0-9]*') ;;
    esac
}

complete -o filenames -F _memkind_pmem memkind-pmem
