#!/usr/bin/env bash
# Every scenario of a fleet under fire and of one process that is killed, or those whose
# name has a word: chaos.sh [WORD]. Prints what became of each as a table.
set -euo pipefail

told=$(mktemp)
trap 'rm -f "$told"' EXIT
scenario=${1:-}
status=0
run() { cargo test --locked --package hubbub --test "$1" -- --nocapture "$scenario" 2>&1 | tee -a "$told" || status=1; }
scripts/next-version.sh
export HUBBUB_TEST_OUTAGE_SECONDS=${HUBBUB_TEST_OUTAGE_SECONDS:-60}
run fleet
run embedded

printf '\n| faults | acknowledged | unknown | lost | duplicated | no lag after the load | |\n|---|---|---|---|---|---|---|\n'
# What a scenario prints may stand behind the name of its test.
grep -o 'chaos: |.*' "$told" | sed 's/^chaos: //' || true
exit "$status"
