#!/usr/bin/env bash
# Builds the release binary, and says what to expect of the first time.
set -euo pipefail

target=${CARGO_TARGET_DIR:-target}
if [[ ! -x $target/release/hubbub ]]; then
    echo "The first build compiles everything that hubbub is made of: about 5 minutes on 2 cores, less on more."
fi
cargo build --release --locked --package hubbub
