# `make` lists what there is.

SHELL := /bin/bash
# Where rustup puts cargo, for shells that were opened before it was installed.
export PATH := $(HOME)/.cargo/bin:$(PATH)

HUBBUB := $(or $(CARGO_TARGET_DIR),target)/release/hubbub

.DEFAULT_GOAL := help

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build hubbub and serve on 127.0.0.1:8080, with its data in ./data
	@scripts/requirements.sh build
	@scripts/build.sh
	@HUBBUB__TELEMETRY__LOG_FORMAT="$${HUBBUB__TELEMETRY__LOG_FORMAT:-text}" exec $(HUBBUB) $(ARGS)

.PHONY: demo
demo: ## Show what a running hubbub does, and verify it (ARGS="--url http://127.0.0.1:8080")
	@scripts/requirements.sh build
	@scripts/build.sh
	@exec $(HUBBUB) demo $(ARGS)

.PHONY: check
check: ## The inner loop: format, lints, unit tests; under a minute when warm
	@scripts/requirements.sh check
	@scripts/check.sh

.PHONY: test
test: ## Everything that a change must pass
	@scripts/requirements.sh test
	@scripts/check.sh
	@scripts/test.sh

.PHONY: release-schema
release-schema: ## Keep the contract and the records of a new schema, beside those released
	@scripts/requirements.sh check
	HUBBUB_RELEASE_SCHEMA=1 cargo test --locked --quiet --package hubbub-events --test released

.PHONY: chaos
chaos: ## Faults, each a minute long, and a table of what became of them (SCENARIO=broker for those of one name)
	@scripts/requirements.sh test
	@scripts/stack up
	@scripts/chaos.sh $(SCENARIO)

.PHONY: bench
bench: ## Measure hubbub beside bare baselines; half an hour, and needs `make stack-up` (ARGS="--only posts --rounds 3")
	@scripts/requirements.sh build
	cargo build --release --locked --package hubbub --package hubbub-bench
	@exec $(dir $(HUBBUB))hubbub-bench $(ARGS)

.PHONY: soak
soak: ## Watch the memory of a fleet's roles for ten minutes; needs `make stack-up`
	@$(MAKE) --no-print-directory bench ARGS="--only fleet-memory --soak-seconds 600"

.PHONY: stack-up stack-down stack-status
stack-up: ## Start Kafka, Cassandra and Redis on this machine, from packages
	@scripts/stack up
stack-down: ## Stop them; their data stays under target/stack
	@scripts/stack down
stack-status: ## Say which of them run
	@scripts/stack status

.PHONY: fmt
fmt: ## Format the code
	@scripts/requirements.sh check
	cargo fmt --all

.PHONY: clean
clean: ## Remove what was built; the data in ./data stays
	cargo clean
