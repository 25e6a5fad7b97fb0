# What GitHub Actions run beside the tests; the same targets work on any machine that has the programs they name.

TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/recall/tools
ACTIONLINT_VERSION := v1.7.12
ACTIONLINT := $(TOOLS)/actionlint-$(ACTIONLINT_VERSION)
CHART_ARCHIVES := build/charts
IMAGES := recall-operator recall-api

$(ACTIONLINT):
	@echo "Building actionlint $(ACTIONLINT_VERSION) …"
	@mkdir -p $(TOOLS) && GOBIN=$(TOOLS)/build GOFLAGS= go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION) && mv $(TOOLS)/build/actionlint $@

.PHONY: lint-workflows
lint-workflows: $(INSTALLED) ## Check the GitHub workflows: zizmor, and actionlint with shellcheck (which Go builds once)
	@if [ -x $(ACTIONLINT) ] || command -v go > /dev/null; then $(MAKE) -s $(ACTIONLINT) && $(ACTIONLINT); \
	  else echo "No Go here to build actionlint: the workflows are only looked at by zizmor." >&2; fi
	@$(BIN)/zizmor --offline --quiet --persona=pedantic --config .github/zizmor.yaml .github

.PHONY: node-programs
node-programs: $(INSTALLED) ## Build Kubernetes, Helm and CoreDNS of the local stack into the cache (ten minutes the first time)
	@$(BIN)/python -c 'from pathlib import Path; from recall_local.cluster.node_binary import ensure; print(ensure(Path("$(TOOLS)").parent, print))'

.PHONY: coverage
coverage: $(INSTALLED) ## Run unit and integration tests and enforce the least coverage; build/coverage.xml
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(BIN)/coverage run -m pytest tests/unit tests/integration $(ARGUMENTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage xml --quiet
	@$(BIN)/coverage report

.PHONY: licences
licences: $(INSTALLED) ## Check the licences of all Python packages (list in pyproject.toml; build/licences.json) and of what the web app ships
	@mkdir -p build && $(BIN)/pip-licenses --from=mixed --order=license --format=json --output-file=build/licences.json > /dev/null
	@$(BIN)/python -m recall_delivery.packages licences

.PHONY: audit
audit: $(INSTALLED) ## Look for known vulnerabilities of all locked packages (asks PyPI and npm; says so where it can't)
	@$(BIN)/python -m recall_delivery.packages audit

.PHONY: sbom
sbom: $(INSTALLED) ## Write bills of materials (CycloneDX) of what is shipped; build/sbom/
	@mkdir -p build/sbom
	@for extra in operator api; do $(BIN)/cyclonedx-py requirements requirements/$$extra.txt --output-reproducible --output-format JSON --output-file build/sbom/$$extra.json; done
	@cd frontend && npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx --sbom-type=application > ../build/sbom/web.json

.PHONY: chart-lint
chart-lint: $(INSTALLED) ## Render the chart in many ways and validate it and all examples for Kubernetes 1.33 to 1.37
	@RECALL_NEEDS_HELM=1 $(BIN)/pytest tests/unit/delivery

.PHONY: web-deploy
web-deploy: $(WEB_INSTALLED) ## Build the web app and put it into SITE_BUCKET behind DISTRIBUTION_ID
	@cd frontend && npm run --silent build
	@$(BIN)/python -m recall_delivery.web --built frontend/dist --bucket "$(SITE_BUCKET)" --distribution "$(DISTRIBUTION_ID)"

.PHONY: images
images: ## Build the images and push them to REGISTRY with the name TAG; build/digests.txt
	@mkdir -p build && : > build/digests.txt
	@for image in $(IMAGES); do \
	  docker build --file $${image#recall-}/Dockerfile --tag "$(REGISTRY)/$$image:$(TAG)" . && docker push --quiet "$(REGISTRY)/$$image:$(TAG)" && \
	  docker inspect --format '{{index .RepoDigests 0}}' "$(REGISTRY)/$$image:$(TAG)" >> build/digests.txt || exit 1; done

.PHONY: images-release
images-release: ## Give the images FROM (a commit's) in REGISTRY the further name TAG; build/digests.txt
	@mkdir -p build && : > build/digests.txt
	@for image in $(IMAGES); do \
	  docker buildx imagetools create --tag "$(REGISTRY)/$$image:$(TAG)" "$(REGISTRY)/$$image:$(FROM)" && \
	  echo "$(REGISTRY)/$$image@$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$(REGISTRY)/$$image:$(TAG)")" >> build/digests.txt || exit 1; done

.PHONY: chart-push
chart-push: ## Pack the chart as VERSION and push it to REGISTRY; adds to build/digests.txt
	@mkdir -p $(CHART_ARCHIVES) && helm package deploy/chart --version "$(VERSION)" --app-version "$(VERSION)" --destination $(CHART_ARCHIVES)
	@helm push "$(CHART_ARCHIVES)/recall-operator-$(VERSION).tgz" "oci://$(REGISTRY)/charts" 2>&1 | tee build/chart-push.txt
	@echo "$(REGISTRY)/charts/recall-operator@$$(sed -n 's/^Digest: //p' build/chart-push.txt)" >> build/digests.txt

.PHONY: sign
sign: ## Sign what build/digests.txt names, keyless, and attest the bills of materials (cosign)
	@while read -r reference; do cosign sign --yes "$$reference" || exit 1; \
	  name=$${reference##*/recall-}; name=$${name%@*}; \
	  case "$$reference" in */charts/*) ;; *) cosign attest --yes --type cyclonedx --predicate "build/sbom/$$name.json" "$$reference" || exit 1;; esac; done < build/digests.txt

.PHONY: operator-deploy
operator-deploy: $(INSTALLED) ## Install or upgrade the operator of ENVIRONMENT in kubectl's cluster, its image TAG; values of yours from deploy/environments/
	@mkdir -p build && $(BIN)/recall-infra platform "$(ENVIRONMENT)" > build/values.yaml
	@kubectl apply --server-side --filename crds/
	@helm upgrade --install recall-operator deploy/chart --namespace recall-system --create-namespace \
	  --values build/values.yaml $(addprefix --values ,$(wildcard deploy/environments/$(ENVIRONMENT).yaml)) $(if $(TAG),--set-string image.tag="$(TAG)") --wait --timeout 5m

.PHONY: release-check
release-check: $(INSTALLED) ## Check that package, chart and changelog bear VERSION; build/release-notes.md
	@$(BIN)/python -m recall_delivery.release "$(VERSION)" --notes build/release-notes.md
