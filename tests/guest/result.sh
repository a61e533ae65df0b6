#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Prints the output of a test in the guest, and exits with its status. Usage: result.sh BOOT TEST

# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

results=$guest_dir/$1.results
[ -f "$results" ] || skip "there was no guest, see the test guest/pack"
tr -d '\r' <"$results" | awk -v name="$2" '
    $1 == "===" && $2 == "end" && $3 == name { status = $4; found = 1; shown = 0 }
    shown { print }
    $1 == "===" && $2 == "begin" { shown = $3 == name }
    END {
        if (!found)
            print "the guest has not run it to its end"
        exit found ? status : 1
    }'
