# Recall: what people and CI type. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

export RECALL_STACK ?= recall

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help
help: ## List the targets
	@echo "Recall: usage: make TARGET [RECALL_STACK=name]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Recall needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 …" >&2; exit 2; }
	@echo "Installing Recall's Python packages into $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(INSTALLED) ## Install Recall's Python packages into .venv

.PHONY: up
up: $(INSTALLED) ## Start a whole Recall on this machine and print its address
	@$(BIN)/recall-local up

.PHONY: down
down: $(INSTALLED) ## Stop it; memories and instances are kept for the next `make up`
	@$(BIN)/recall-local down

.PHONY: demo
demo: $(INSTALLED) ## Sign in, remember, ask, hibernate, delete: a tour that checks itself
	@$(BIN)/recall-local demo

.PHONY: status
status: $(INSTALLED) ## Show what runs and the instances' conditions
	@$(BIN)/recall-local status

.PHONY: logs
logs: $(INSTALLED) ## Show the last lines of every log (follow one: recall-local logs NAME --follow)
	@$(BIN)/recall-local logs

.PHONY: test
test: $(INSTALLED) ## Run all tests: lint, unit, integration, end to end in a stack of their own
	@$(MAKE) lint
	@$(BIN)/pytest

.PHONY: test-unit
test-unit: $(INSTALLED) ## Run the unit tests only (seconds)
	@$(BIN)/pytest tests/unit

.PHONY: test-integration
test-integration: $(INSTALLED) ## Run the tests against the AWS emulators only
	@$(BIN)/pytest tests/integration

.PHONY: test-faults
test-faults: $(INSTALLED) ## Play every fault at every call of the operator (minutes); JSON in build/faults.json
	@$(BIN)/python -m tests.faults
	@RECALL_LONG=1 $(BIN)/pytest tests/unit/operator/test_state_machine.py tests/faults

.PHONY: test-e2e
test-e2e: $(INSTALLED) ## Run the end-to-end tests only, in a stack of their own
	@$(BIN)/pytest tests/e2e

.PHONY: lint
lint: $(INSTALLED) ## Check format, style, types, import rules and the generated files
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(INSTALLED) ## Rewrite the sources in the project's format
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: crds
crds: $(INSTALLED) ## Write crds/ anew from the models
	@$(BIN)/python -m recall_operator.models.crd > build-crd.tmp && mv build-crd.tmp crds/recallinstances.recall.kug.la.yaml

.PHONY: bench
bench: $(INSTALLED) ## Measure the stack and the API; JSON in build/bench/
	@$(BIN)/python -m tests.bench.stack

.PHONY: bench-recall
bench-recall: $(INSTALLED) ## Measure how well search finds things, mem0 beside it; build/bench/recall.json
	@$(BIN)/python -m tests.bench.recall

.PHONY: bench-search
bench-search: $(INSTALLED) ## Measure searches at 100 to 50,000 memories; build/bench/search.json
	@$(BIN)/python -m tests.bench.search

.PHONY: bench-operator
bench-operator: $(INSTALLED) ## Measure the operator at 10, 100, 1,000 instances beside a naive one (an hour); JSON in build/bench/
	@$(BIN)/python -m tests.bench.operator

.PHONY: lock
lock: $(INSTALLED) ## Write requirements/ anew from pyproject.toml, with hashes
	@$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/dev.txt
	@for extra in operator api; do $(BIN)/uv pip compile -q pyproject.toml --extra $$extra --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements/dev.txt -o requirements/$$extra.txt; done
