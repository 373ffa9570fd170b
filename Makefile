# bookwell: `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# One test process a core; each has a PostgreSQL of its own.
TEST_PROCESSES ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test simulate check format lint types imports bench docs lock clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Run the service with two brands to play with, on 127.0.0.1:8000
	@$(BIN)/bookwell demo

test: $(READY_DEV) ## Set up and run the tests
	@$(BIN)/pytest -n $(TEST_PROCESSES)

SEEDS ?= 50
STEPS ?= 300
simulate: $(READY_DEV) ## Simulate seeded worlds: SEEDS=50 STEPS=300, or one again: SEED=7
	@SIMULATION_SEEDS=$(SEEDS) SIMULATION_STEPS=$(STEPS) SIMULATION_SEED=$(SEED) \
		$(BIN)/pytest -n $(TEST_PROCESSES) tests/simulation/test_simulation.py

check: lint types imports test ## What CI runs: format, lint, types, import contracts, tests

format: $(READY_DEV) ## Put the code into its one format
	@$(BIN)/ruff format src tests bench
	@$(BIN)/ruff check --fix src tests bench

lint: $(READY_DEV)
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/ruff check src tests bench

types: $(READY_DEV)
	@$(BIN)/mypy

imports: $(READY_DEV)
	@$(BIN)/lint-imports

bench: $(READY) ## Measure bookings over HTTP beside PostgreSQL's own pgbench
	@$(BIN)/python -m bench $(BENCH_OPTIONS)

docs: $(READY_DEV) ## Write the generated pages of docs/reference anew
	@$(BIN)/python -m bookwell.reference

lock: $(READY_DEV) ## Pin the newest dependencies, with hashes
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --upgrade pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --upgrade --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) .bookwell

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bookwell needs Python 3.11 or newer; say which one with: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python requirements.lock pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(READY_DEV): $(READY) requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
