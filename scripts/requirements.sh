#!/usr/bin/env bash
# Checks that what a target needs is there: requirements.sh build|check|test.
# Prints the one line that installs what is missing. For tests it installs by itself,
# but only as root or with CI=true.
set -euo pipefail

readonly CARGO_DENY=0.20.2
readonly RUSTUP="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"

target=$1
missing=()
packages=()
steps=()

has() { command -v "$1" >/dev/null 2>&1; }

as_root=
[[ $(id -u) == 0 ]] || as_root='sudo '

# librdkafka and OpenSSL are built from their sources.
if ! { has cc && has c++ && has make; }; then
    missing+=("a C and C++ compiler with make")
    packages+=(build-essential)
fi
if ! perl -MIPC::Cmd -MFindBin -e 1 2>/dev/null; then
    missing+=(Perl)
    packages+=(perl)
fi
if [[ $target == test ]]; then
    # What the tests run hubbub with, beside or behind.
    declare -A servers=([javac]=openjdk-17-jdk-headless [mvn]=maven [redis-server]=redis-server [kcat]=kcat [nginx]=nginx-light)
    for program in javac mvn redis-server kcat nginx; do
        if ! PATH=$PATH:/usr/sbin has "$program"; then
            missing+=("$program")
            packages+=("${servers[$program]}")
        fi
    done
fi
if ! has curl && { [[ $target == test ]] || ! has cargo; }; then
    missing+=(curl)
    packages+=(curl ca-certificates)
fi
if ((${#packages[@]})); then
    if has apt-get; then
        steps+=("${as_root}scripts/apt-install ${packages[*]}")
    elif [[ $(uname) == Darwin ]]; then
        steps+=("xcode-select --install")
    else
        echo "Missing: ${missing[*]}. Install them with this system's package manager (on Debian: ${packages[*]})." >&2
        exit 1
    fi
fi

if ! has cargo; then
    missing+=("Rust")
    steps+=("$RUSTUP" 'export PATH="$HOME/.cargo/bin:$PATH"')
fi
if has rustup; then
    # Run here, rustup reads rust-toolchain.toml.
    if ! cargo --version >/dev/null 2>&1; then
        missing+=("the Rust of rust-toolchain.toml")
        steps+=("rustup toolchain install")
    elif [[ $target != build ]] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
        missing+=("rustfmt and clippy")
        steps+=("rustup component add rustfmt clippy")
    fi
fi
if [[ $target == test && $(cargo deny --version 2>/dev/null || true) != "cargo-deny $CARGO_DENY" ]]; then
    missing+=("cargo-deny $CARGO_DENY (it compiles for some minutes)")
    steps+=("cargo install --locked cargo-deny@$CARGO_DENY")
fi

((${#missing[@]})) || exit 0

line=${steps[0]}
for step in "${steps[@]:1}"; do line+=" && $step"; done
list=${missing[0]}
for thing in "${missing[@]:1}"; do list+=", $thing"; done
printf 'Missing: %s.\nThis line installs it:\n\n  %s\n\n' "$list" "$line" >&2

if [[ $target == test ]] && { [[ $(id -u) == 0 ]] || [[ ${CI:-} == true ]]; }; then
    echo "Running it." >&2
    exec bash -c "set -euo pipefail; $line"
fi
exit 1
