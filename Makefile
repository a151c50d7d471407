# Every chore, listed by `make help`. CI runs `make check test` and nothing more.

CARGO ?= cargo
NODE_TESTS = tests/node
PYTHON_TESTS = tests/python
CLIENT = clients/js
DASHBOARD = dashboard
PAGE = $(DASHBOARD)/dist/page/index.html

.PHONY: help demo page test test-page check fix generate screenshots bench-page recordings parity histories fuzz bench-attack bench-intake bench-mirror bench-realtime bench-reservations bench-sync needs

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# The page is left out where it cannot be built, and all else works.
# Without what only a shop needs, and unoptimised: that is less than half of the work of a development build.
demo: ## a pretend store, the daemon on it, and the live stream
	@if node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20)' 2>/dev/null && command -v npm >/dev/null; \
	  then $(MAKE) --no-print-directory $(PAGE) || echo "The page could not be built, so this demonstration has none."; \
	  else echo "This demonstration has no page: it needs Node 20.19 or newer, with npm (on Debian: nodejs npm)."; fi
	@[ -x target/demo/stockd ] || echo "Compiling stockd, this once: about three minutes on two cores. cargo shows how far it is."
	$(CARGO) run --profile demo --package daemon --no-default-features -- demo $(DEMO)

page: $(PAGE) ## the page that the binary holds; build stockd after it

$(PAGE): $(DASHBOARD)/node_modules $(wildcard $(addprefix $(DASHBOARD)/,*.html *.json *.ts src/* src/views/* public/*) $(CLIENT)/src/* $(CLIENT)/src/react/*)
	npm run build --silent --prefix $(DASHBOARD)
	@touch $@

test: needs $(NODE_TESTS)/node_modules $(PYTHON_TESTS)/venv $(CLIENT)/node_modules $(PAGE) ## every test
	$(CARGO) build --package daemon --package ws --bins --examples
	$(CARGO) test --workspace
	npm test --prefix $(CLIENT)
	$(MAKE) test-page
	systemd/verify

test-page: needs $(PAGE) ## the page, in a browser on the pretend store
	$(CARGO) build --package daemon
	npm test --prefix $(DASHBOARD)
	npm run test-page --prefix $(DASHBOARD)

screenshots: needs $(PAGE) ## pictures of the page, into docs/screenshots
	$(CARGO) build --package daemon
	node $(DASHBOARD)/screenshots.mjs

bench-page: needs $(PAGE) ## how soon the page is useful, and its size; a table as in bench/README.md
	$(CARGO) build --package daemon
	node $(DASHBOARD)/bench.mjs

check: needs ## formatting, lints, documentation, generated files
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	$(CARGO) clippy --package daemon --no-default-features -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	$(MAKE) generate
	@git diff --exit-code --stat -- schemas/json $(CLIENT)/src/schemas.ts $(DASHBOARD)/src/rest.ts || { echo "generated files differ: commit what 'make generate' made"; exit 1; }

fix: ## format the code, and apply what clippy can repair itself
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

generate: ## JSON Schemas, OpenAPI and AsyncAPI, from the types, and the types of client and page, from those
	$(CARGO) run --quiet --package daemon -- schema --folder schemas/json
	node $(CLIENT)/generate.mjs

recordings: ## every webhook body in DIR posted to a daemon: make recordings DIR=<folder>
	$(CARGO) build --package daemon
	$(CARGO) run --package tests --example samples -- $(DIR)

parity: ## the pretend store's answers beside recorded ones: make parity DIR=<folder>
	$(CARGO) run --package sim --example parity -- $(DIR)

histories: ## random histories of a shop on real databases, for some minutes
	HISTORIES=2000 $(CARGO) test --package store --lib histories

# Without a sanitizer, which finds misuse of memory and makes it seven times slower: unsafe code is forbidden here.
fuzz: ## ten million inputs to each reader of what clients send; needs cargo-fuzz
	for target in $(notdir $(basename $(wildcard fuzz/targets/*.rs))); do \
		mkdir -p fuzz/corpus/$$target && \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none --fuzz-dir fuzz $$target \
			fuzz/corpus/$$target fuzz/seeds/$$target -- -runs=10000000 -max_len=600 || exit 1; \
	done

bench-mirror: ## a whole shop mirrored; a table as in bench/README.md
	$(CARGO) build --release --package daemon --package bench
	$(CARGO) run --release --package bench --bin mirror

bench-intake: ## webhooks a second, beside Shopify's own library; a table as in bench/README.md
	$(CARGO) build --release --package daemon --package bench
	$(CARGO) run --release --package bench --bin intake

bench-sync: ## the same store read by stockd and by others; a table as in bench/README.md
	$(CARGO) build --release --package daemon --package bench
	$(CARGO) run --release --package bench --bin sync

bench-realtime: ## live events to many readers, beside other servers; tables as in bench/README.md
	$(CARGO) build --release --package ws --example fanout
	$(CARGO) build --release --package bench --features peers --bin realtime --bin socketioxide
	target/release/realtime $(ONLY)

bench-attack: ## honest webhooks and live events beside each attack; a table as in bench/README.md
	$(CARGO) build --release --package daemon --package bench
	ulimit -n $$(ulimit -Hn) && $(CARGO) run --release --package bench --bin attack

bench-reservations: ## reservations on one hot item, a second; a table as in bench/README.md
	$(CARGO) build --release --package daemon --package bench
	$(CARGO) run --release --package bench --bin reservations

%/node_modules: %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund
	@touch $@

$(PYTHON_TESTS)/venv: $(PYTHON_TESTS)/requirements.txt
	python3 -m venv $@ && $@/bin/pip install --quiet --disable-pip-version-check --requirement $< || { rm -rf $@; exit 1; }
	@touch $@

# Installs what is missing as root, and says what to install otherwise.
needs:
	@missing=; \
	command -v cc >/dev/null || missing="$$missing gcc"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
	command -v rabbitmq-server >/dev/null || [ -x /usr/sbin/rabbitmq-server ] || missing="$$missing rabbitmq-server"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	[ -x /usr/sbin/nginx ] || missing="$$missing nginx-light"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	  else echo "install these packages first:$$missing"; exit 1; fi; \
	fi
