#!/usr/bin/env bash
# What a change must pass beyond scripts/check.sh: every test and example, the
# documentation, and what the dependencies are allowed to be.
set -euo pipefail

cargo test --workspace --locked
RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --locked --quiet
# Advisories are not among these: they need a database from the network, and change
# without a change here.
cargo deny --locked check bans licenses sources
echo "All of it passed."
