#!/usr/bin/env bash
# Format, lints, unit tests.
set -euo pipefail

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked --quiet -- --deny warnings
cargo test --workspace --lib --bins --locked --quiet
