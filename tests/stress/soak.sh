#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# soak.c on a tmpfs of its own, mounted in a namespace of its own.
# Usage: soak.sh PROGRAM. Environment: SOAK_SECONDS (default 20; an hour fits).

set -euo pipefail

SIZE=160m # all kinds want more than that at times
program=$(readlink -f "$1")

if [ -z "${MEMKIND_OWN_MOUNTS-}" ]; then
    export MEMKIND_OWN_MOUNTS=1
    if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
        exec unshare -m --propagation private bash "$0" "$program"
    fi
    if unshare -rm true 2>/dev/null; then
        exec unshare -rm --propagation private bash "$0" "$program"
    fi
    echo "skipped: no mount namespace can be had"
    exit 77
fi

dir=$(mktemp -d)
trap 'umount -l "$dir"; rmdir "$dir"' EXIT
mount -t tmpfs -o size=$SIZE tmpfs "$dir"
"$program" "$dir" "${SOAK_SECONDS:-20}"
