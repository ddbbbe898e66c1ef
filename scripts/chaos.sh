#!/usr/bin/env bash
# Every scenario under fire, of a fleet and of one process, or those whose name has a word:
# chaos.sh [WORD]. Prints what became of each as a table.
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

if ! grep -qE '^test .* \.\.\. ' "$told"; then
    echo "chaos: no scenario has \"$scenario\" in its name; there are" >&2
    cargo test --locked --quiet --package hubbub --test fleet --test embedded -- --list 2>/dev/null | sed -n 's/: test$//p' >&2
    exit 2
fi
printf '\n| faults | clients | acknowledged | unknown | read by token | lost | duplicated | lag after the load | |\n|---|---|---|---|---|---|---|---|---|\n'
# What a scenario prints may stand behind the name of its test.
grep -o 'chaos: |.*' "$told" | sed 's/^chaos: //' || true
sed -nE 's/^test (.*) \.\.\. FAILED$/| **failed: \1** | | | | | | | | |/p' "$told"
exit "$status"
