# Every chore of the house. CI runs `make check test` and nothing more.

CARGO ?= cargo
NODE_TESTS = tests/node

.PHONY: demo test check generate recordings parity fuzz bench-realtime bench-reservations needs

demo: ## a pretend store, the daemon on it, and what happens, live
	$(CARGO) run --package daemon -- demo $(DEMO)

test: needs $(NODE_TESTS)/node_modules ## everything
	$(CARGO) build --package daemon
	$(CARGO) test --workspace
	systemd/verify

check: ## formatting, lints, documentation, generated files
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	$(MAKE) generate
	@git diff --exit-code --stat -- schemas/json || { echo "generated files differ: commit what 'make generate' made"; exit 1; }

generate: ## JSON Schemas, from the types
	$(CARGO) run --quiet --package schemas --example generate -- schemas/json

recordings: ## every webhook body in DIR posted to a daemon: make recordings DIR=<folder>
	$(CARGO) build --package daemon
	$(CARGO) run --package tests --example samples -- $(DIR)

parity: ## the pretend store's answers beside recorded ones: make parity DIR=<folder>
	$(CARGO) run --package sim --example parity -- $(DIR)

fuzz: ## ten million inputs to each reader of the protocol; needs cargo-fuzz
	for target in frame packet payload; do \
		mkdir -p fuzz/corpus/$$target && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir fuzz $$target \
			fuzz/corpus/$$target fuzz/seeds/$$target -- -runs=10000000 -max_len=600 || exit 1; \
	done

bench-realtime: ## live events to many readers, beside other servers; tables as in bench/README.md
	$(CARGO) build --release --package ws --example fanout
	$(CARGO) build --release --package bench --features peers --bin realtime --bin socketioxide
	target/release/realtime $(ONLY)

bench-reservations: ## reservations on one hot item, a second; a table as in bench/README.md
	$(CARGO) build --release --package daemon --package bench
	$(CARGO) run --release --package bench --bin reservations

$(NODE_TESTS)/node_modules: $(NODE_TESTS)/package-lock.json
	npm ci --prefix $(NODE_TESTS) --no-audit --no-fund
	@touch $@

# Installs what is missing as root, and says what to install otherwise.
needs:
	@missing=; \
	command -v cc >/dev/null || missing="$$missing gcc"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	  else echo "install these packages first:$$missing"; exit 1; fi; \
	fi
