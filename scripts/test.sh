#!/usr/bin/env bash
# What a change must pass beyond scripts/check.sh: every test and example, on a real Kafka,
# Cassandra and Redis, the documentation, the packaging, and what the dependencies are
# allowed to be.
set -euo pipefail

# The first of some ports that nobody has; the servers take those next to theirs too.
free_ports() {
    local first port
    for first in $(shuf -i 20000-30000 -n 100); do
        for port in $(seq "$first" $((first + 22))); do
            if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue 2; fi
        done
        echo "$first"
        return
    done
    echo "test: no free ports" >&2
    return 1
}

# A stack that runs already is used, and left running.
servers=$(scripts/stack status)
if [[ $servers == *'not running'* ]]; then
    first=$(free_ports)
    export KAFKA_PORT=$first CASSANDRA_PORT=$((first + 10)) REDIS_PORT=$((first + 20))
    trap 'scripts/stack down' EXIT
    scripts/stack up
fi
export HUBBUB_TEST_KAFKA=127.0.0.1:${KAFKA_PORT:-19092}
export HUBBUB_TEST_CASSANDRA=127.0.0.1:${CASSANDRA_PORT:-19042}
export HUBBUB_TEST_REDIS=127.0.0.1:${REDIS_PORT:-16379}

scripts/next-version.sh
cargo test --workspace --locked --no-fail-fast
RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --locked --quiet
scripts/packaging.sh
# Advisories are not among these: they need a database from the network, and change
# without a change here.
cargo deny --locked check bans licenses sources
echo "All of it passed."
