# Every command that a person types. `make help` lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 55777
SOME_PYTHON = $(or $(wildcard $(BIN)/python),$(PYTHON))
# What the wheel is made of: it is built anew when one of these changes.
SOURCES := $(shell find crates python packaging pyproject.toml Cargo.toml Cargo.lock -type f -not -name '*.pyc' -not -path '*/tests/*' 2>/dev/null)

.PHONY: help demo test test-rust test-python postgres postgres-stop bench bench-native faults soak conformance compat lint fmt clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/tools: $(BIN)/python requirements_dev.txt
	@echo "installing what the tests need"
	@grep -v '^\.' requirements_dev.txt > $(VENV)/requirements.txt
	@$(BIN)/python -m pip install --quiet 'PyYAML>=6' 'psycopg[binary]>=3.2' -r $(VENV)/requirements.txt
	@touch $@

$(VENV)/wheel: $(VENV)/tools $(SOURCES)
	@echo "building and installing the wheel (the first time takes some minutes)"
	@rm -rf $(VENV)/dist
	@$(BIN)/maturin build --release --locked --quiet --interpreter $(BIN)/python --out $(VENV)/dist
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(VENV)/dist ./python/dispatcherd
	@$(BIN)/python -m pip install --quiet --force-reinstall --no-deps $(VENV)/dist/*.whl
	@touch $@

demo: $(VENV)/wheel ## everything at once: Postgres, the service, a burst of tasks, a summary
	@$(BIN)/python tools/demo.py

test: test-rust test-python ## every test, Rust and Python, against a Postgres of its own

test-rust: ## the Rust tests
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace --locked; else cargo test --workspace --locked --lib --bins --tests; fi
	@cargo test --workspace --locked --doc --quiet
	@for example in define publish; do cargo run --locked --quiet -p dispatcher --features testing,tokio-postgres --example $$example >/dev/null || exit 1; done
	@cargo run --locked --quiet -p dispatcher --features service --example embedded >/dev/null

test-python: $(VENV)/wheel ## the Python tests, with the installed wheel
	@cargo build --locked --quiet -p dispatcher --example worker
	@$(BIN)/python -m pytest tests/ -n 2
	@cargo run --locked --quiet -p dispatcher --features service --example mixed >/dev/null

# Needs no more than some Python, so that it works before anything is installed.
postgres: ## a private Postgres where dispatcher.yml looks for it
	@$(SOME_PYTHON) tools/postgres.py start --port $(PORT)

postgres-stop: ## stop it
	@$(SOME_PYTHON) tools/postgres.py stop --port $(PORT)

bench: $(VENV)/wheel ## figures beside dispatcherd, in one run
	@$(BIN)/python bench/run.py

bench-native: $(VENV)/wheel ## the same for native workers and publishers, beside other crates
	@$(BIN)/python bench/run.py --native

faults: $(VENV)/wheel ## break one thing after another: what came of it, beside dispatcherd
	@$(BIN)/python faults/run.py --json .run/faults.json --write docs/reference/faults.md

soak: $(VENV)/wheel ## an hour of random faults, and a verdict (MINUTES=60, SEED=)
	@$(BIN)/python faults/soak.py --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

conformance: $(VENV)/wheel ## the black-box suite, where it stands beside the project
	@$(BIN)/python tools/conformance.py
	@$(BIN)/python tools/conformance.py --worker rust

compat: $(VENV)/wheel ## the unit tests of dispatcherd itself, unchanged, against our package of that name
	@$(BIN)/python tools/original_tests.py

lint: $(VENV)/tools ## formats, clippy, the project's own rules, ruff, mypy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo xtask tidy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy python/dispatcher python/dispatcherd/dispatcherd tools faults

fmt: $(VENV)/tools ## put formats right
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

clean: ## remove what was built and started here
	-@$(SOME_PYTHON) tools/postgres.py stop --port $(PORT)
	rm -rf $(VENV) .run target
