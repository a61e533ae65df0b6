#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# soak.c on a tmpfs of its own, mounted in a namespace of its own.
# Usage: soak.sh PROGRAM. Environment: SOAK_SECONDS (default 20; an hour fits).

set -euo pipefail

SIZE=160m # all kinds want more than that at times
program=$(readlink -f "$1")

. "$(dirname "$0")/../support/own_mounts.bash"

dir=$(mktemp -d)
trap 'umount -l "$dir"; rmdir "$dir"' EXIT
mount -t tmpfs -o size=$SIZE tmpfs "$dir"
"$program" "$dir" "${SOAK_SECONDS:-20}"
