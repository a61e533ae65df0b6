# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Sourced by a script with its arguments: runs the script again in its own mount namespace, or skips
# the test if none can be created.

if [ -z "${MEMKIND_OWN_MOUNTS-}" ]; then
    export MEMKIND_OWN_MOUNTS=1
    if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
        exec unshare -m --propagation private bash "$0" "$@"
    fi
    if unshare -rm true 2>/dev/null; then
        exec unshare -rm --propagation private bash "$0" "$@"
    fi
    echo "skipped: no mount namespace can be had"
    exit 77
fi
