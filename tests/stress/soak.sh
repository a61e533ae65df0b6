#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs soak.c or soak_forks.c on a tmpfs that is mounted for it.
#
# Usage: soak.sh PROGRAM. Environment: SOAK_SECONDS (default 20; at most an hour).

set -euo pipefail

SIZE=160m # less than all kinds need at their peak
program=$(readlink -f "$1")

. "$(dirname "$0")/../support/own_mounts.bash"

dir=$(mktemp -d)
trap 'umount -l "$dir"; rmdir "$dir"' EXIT
mount -t tmpfs -o size=$SIZE tmpfs "$dir"
"$program" "$dir" "${SOAK_SECONDS:-20}"
