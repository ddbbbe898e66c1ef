#!/usr/bin/env bash
# Builds hubbub as a next release would be, as hubbub-next beside hubbub: what the tests
# upgrade a fleet to. It has another event schema, and another fold of the analysis, for
# which an apostrophe ends a word of ASCII text.
set -euo pipefail

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
next=$target/next-version
mkdir -p "$next"
rm -rf "$next/crates"
tar -cf - Cargo.toml Cargo.lock rust-toolchain.toml .cargo crates proto schema.cql | tar -xf - -C "$next"

# As old as what it is made of, so that nothing is built again for nothing.
change() {
    local file=$1 script=$2
    sed -i -E "$script" "$next/$file"
    if cmp -s "$file" "$next/$file"; then
        echo "next-version: $file is no longer what it was; mend $0" >&2
        return 1
    fi
    touch -r "$file" "$next/$file"
    # But for changes of how it is made.
    if [[ $0 -nt $file ]]; then touch -r "$0" "$next/$file"; fi
}
# Crates of another version are others to cargo: they lie beside ours in its target folder.
change Cargo.toml '0,/^version = /s/^version = .*/version = "99.0.0"/'
change Cargo.lock '/^name = "hubbub/{n;s/.*/version = "99.0.0"/}'
schema=$(sed -nE 's/^pub const SCHEMA: u32 = ([0-9]+);$/\1/p' crates/events/src/envelope.rs)
change crates/events/src/envelope.rs "s/^(pub const SCHEMA: u32 = )$schema;/\1$((schema + 1));/"
change crates/projections/src/text.rs 's|^(pub const ANALYZER: &str = ".*)";|\1-next";|'
change crates/projections/src/text/ascii.rs "s/^( *b'\.') \| b'.'' =>/\1 =>/"
change crates/projections/src/analysis.rs 's/^( *const FOLD: i32 = )[0-9]+;/\199;/'
change crates/hubbub/Cargo.toml 's/^default-run = "hubbub"$/default-run = "hubbub-next"\nautobins = false/
$a [[bin]]\nname = "hubbub-next"\npath = "src/main.rs"'

# With the testkit, so that dependencies are built with the features that tests have.
cd "$next"
CARGO_TARGET_DIR=$target cargo build --locked --quiet --package hubbub --package hubbub-testkit
