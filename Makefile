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
WEB_INSTALLED := frontend/node_modules/.recall-lock

.PHONY: help
help: ## List the targets
	@echo "Recall: usage: make TARGET [RECALL_STACK=name]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

# Node.js is a Python package here: the same version for everyone, and nothing to install beforehand.
export PATH := $(CURDIR)/$(BIN):$(PATH)

$(INSTALLED): requirements/installer.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Recall needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 …" >&2; exit 2; }
	@echo "Installing Recall's Python packages into $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
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
	@echo "Two lanes side by side, which print when they are done; to follow one: tail -f build/test-{stack,apart}.log"
	@mkdir -p build
	@$(MAKE) --jobs=2 --output-sync=target --keep-going test-lane-stack test-lane-apart

# Two lanes: tests in a stack mostly wait for it, and leave a core to the others.
.PHONY: test-lane-stack test-lane-apart
test-lane-stack: $(INSTALLED) $(WEB_INSTALLED)
	@$(BIN)/pytest tests/e2e 2>&1 | tee build/test-stack.log
test-lane-apart: $(INSTALLED) infra/node_modules
	@{ $(MAKE) web-test && $(BIN)/pytest --ignore=tests/e2e; } 2>&1 | tee build/test-apart.log

.PHONY: test-unit
test-unit: $(INSTALLED) ## Run the unit tests only (seconds)
	@$(BIN)/pytest tests/unit

.PHONY: test-integration
test-integration: $(INSTALLED) ## Run the tests against the AWS emulators only
	@$(BIN)/pytest tests/integration

.PHONY: test-faults
test-faults: $(INSTALLED) ## Play every fault at every call of the operator, and storms at the API; JSON in build/faults.json
	@$(BIN)/python -m tests.faults
	@RECALL_LONG=1 $(BIN)/pytest --timeout=3600 tests/unit/operator/reconcile/test_state_machine.py && cat build/properties.json
	@RECALL_LONG=1 $(BIN)/pytest --timeout=3600 tests/faults tests/integration/api/test_faults.py

.PHONY: test-sealed
test-sealed: $(INSTALLED) ## Run the API's integration tests with a data key for each user (minutes); those that read raw items are left out
	@RECALL_SEALED=1 $(BIN)/pytest tests/integration/api -k "not deletion_deletes_and_another_pod and not rights_that_the_contract_lists and not new_models_vectors_take_over"

.PHONY: test-privilege
test-privilege: $(INSTALLED) ## Take every single right away from the operator and the API, one at a time (minutes)
	@RECALL_LONG=1 $(BIN)/pytest tests/privilege

.PHONY: test-e2e
test-e2e: $(INSTALLED) $(WEB_INSTALLED) ## Run the end-to-end tests only, in a stack of their own
	@$(BIN)/pytest tests/e2e

.PHONY: lint
lint: $(INSTALLED) ## Check format, style, types, import rules and the generated files
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@PYTHONPATH=client $(BIN)/lint-imports
	@$(MAKE) web-lint
	@$(MAKE) lint-workflows

$(WEB_INSTALLED): $(INSTALLED) frontend/package-lock.json
	@$(BIN)/python -m recall_local.web_build
	@touch $@

.PHONY: web-api
web-api: $(WEB_INSTALLED) ## Write the web app's types of the API anew from its OpenAPI document
	@mkdir -p frontend/node_modules/.cache
	@$(BIN)/python -m recall_api.openapi_document > frontend/node_modules/.cache/openapi.json
	@cd frontend && npx --no-install openapi-typescript node_modules/.cache/openapi.json --output $${OUTPUT:-src/api/schema.ts} > /dev/null

.PHONY: web-lint
web-lint: $(WEB_INSTALLED) ## Check the web app's format, style, types, and that its types of the API are current
	@cd frontend && npm run --silent types && npm run --silent lint
	@$(MAKE) web-api OUTPUT=node_modules/.cache/schema.ts
	@cmp -s frontend/node_modules/.cache/schema.ts frontend/src/api/schema.ts || { echo "frontend/src/api/schema.ts is stale: run make web-api" >&2; exit 1; }

.PHONY: web-test
web-test: $(WEB_INSTALLED) ## Run the web app's unit tests and weigh its first screen; coverage and weight are enforced
	@cd frontend && npm run --silent test
	@$(MAKE) web-size

.PHONY: web-size
web-size: $(WEB_INSTALLED) ## Build the web app and weigh what its first screen loads: at most 150 kB of JavaScript, 15 kB of CSS
	@cd frontend && npx --no-install vite build --logLevel warn --outDir ../build/web --emptyOutDir && npm run --silent size -- ../build/web

.PHONY: web
web: $(WEB_INSTALLED) ## Build the web app and publish it in the running stack (seconds)
	@$(BIN)/recall-local web

.PHONY: screenshots
screenshots: $(INSTALLED) ## Fill the demo account of the running stack and take the README's pictures of the web app
	@$(BIN)/python -m recall_local.demo.screenshots

.PHONY: format
format: $(INSTALLED) ## Rewrite the sources in the project's format
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: crds
crds: $(INSTALLED) ## Write crds/, and the chart's copy of it, anew from the models
	@$(BIN)/python -m recall_operator.models.crd crds deploy/chart/crds

.PHONY: permissions
permissions: $(INSTALLED) ## Write docs/reference/permissions.md anew from policies, contract and chart
	@$(BIN)/python -m recall_operator.permissions.document --chart deploy/chart > build-permissions.tmp && mv build-permissions.tmp docs/reference/permissions.md

.PHONY: bench
bench: $(INSTALLED) ## Measure the stack and the API; JSON in build/bench/
	@$(BIN)/python -m tests.bench.stack

.PHONY: bench-recall
bench-recall: $(INSTALLED) ## Measure how well search finds things, mem0 beside it; build/bench/recall.json
	@$(BIN)/python -m tests.bench.recall

.PHONY: bench-api
bench-api: $(INSTALLED) ## Measure the API beside boto3, mem0 and LiteLLM (20 min; ARGUMENTS=--quick: 3 min); build/bench/api.json
	@$(BIN)/python -m tests.bench.api $(ARGUMENTS)

.PHONY: bench-web
bench-web: $(WEB_INSTALLED) ## Measure the web app on the running stack (10 min): Lighthouse, long lists, search as you type; build/bench/web.json
	@$(BIN)/python -m tests.bench.web.lighthouse
	@$(BIN)/python -m tests.bench.web.signed_in
	@$(BIN)/python -m tests.bench.web.lists $(ARGUMENTS)

.PHONY: bench-operator
bench-operator: $(INSTALLED) ## Measure the operator at 10, 100, 1,000 instances beside a naive one (an hour); JSON in build/bench/
	@$(BIN)/python -m tests.bench.operator

ENVIRONMENT ?= beta

.PHONY: infra-synth
infra-synth: $(INSTALLED) ## Write the CloudFormation templates of all environments to infra/cdk.out; needs no account
	@$(BIN)/recall-infra synth beta minimal production

.PHONY: infra-diff
infra-diff: $(INSTALLED) infra/node_modules ## Show what a deployment of ENVIRONMENT=beta changes; SAVED=folder compares with templates there
	@$(BIN)/recall-infra diff $(ENVIRONMENT) $(if $(SAVED),--saved $(SAVED))

.PHONY: infra-bootstrap
infra-bootstrap: $(INSTALLED) infra/node_modules ## Prepare the account of ENVIRONMENT=beta for CDK, in its region and in us-east-1; once
	@cd infra && node node_modules/aws-cdk/bin/cdk bootstrap -c environment=$(ENVIRONMENT)

.PHONY: infra-deploy
infra-deploy: $(INSTALLED) infra/node_modules ## Deploy all stacks of ENVIRONMENT=beta to its account; STACKS='recall-beta-cluster …' only these
	@cd infra && node node_modules/aws-cdk/bin/cdk deploy -c environment=$(ENVIRONMENT) $(or $(STACKS),--all)

.PHONY: infra-destroy
infra-destroy: $(INSTALLED) infra/node_modules ## Destroy network, cluster and what needs them of ENVIRONMENT=beta; data, images, domain and users stay
	@cd infra && node node_modules/aws-cdk/bin/cdk destroy -c environment=$(ENVIRONMENT) recall-$(ENVIRONMENT)-network

.PHONY: infra-platform
infra-platform: $(INSTALLED) ## Print the operator's Helm values from what was deployed of ENVIRONMENT=beta
	@$(BIN)/recall-infra platform $(ENVIRONMENT)

.PHONY: infra-cost
infra-cost: $(INSTALLED) ## Print the monthly bill of ENVIRONMENT=beta by part: idle, busy, hibernated, torn down
	@$(BIN)/recall-infra cost $(ENVIRONMENT)

.PHONY: infra-test
infra-test: $(INSTALLED) infra/node_modules ## Synthesise three environments and check every promise: rights, cdk-nag, cfn-lint, triggers, deployment to the emulator
	@$(BIN)/pytest tests/infra tests/unit/operator/permissions/test_access_boundary.py

infra/node_modules: infra/package-lock.json $(INSTALLED)
	@cd infra && npm ci --no-audit --no-fund --silent
	@touch $@

.PHONY: lock
lock: $(INSTALLED) ## Write requirements/ anew from pyproject.toml, with hashes
	@$(BIN)/uv pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/dev.txt
	@echo uv | $(BIN)/uv pip compile -q - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements/dev.txt -o requirements/installer.txt
	@for extra in operator api; do $(BIN)/uv pip compile -q pyproject.toml --extra $$extra --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements/dev.txt -o requirements/$$extra.txt; done

include deploy/delivery/delivery.mk
