# What a person and the CI run; `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO ?= go
VIRT ?= auto
GUESTS ?= 0
VERSION := $(shell git describe --tags --always --dirty 2> /dev/null || echo unknown)
GUEST_IMAGE := build/virga-guest.qcow2
GUEST_RECIPE := packaging/guest/build packaging/guest/fetch packaging/guest/modules packaging/guest/initramfs-init packaging/make/guest \
	$(shell find packaging/guest/rootfs -type f)
SCRIPTS := .ci/run $(wildcard packaging/make/*) packaging/guest/build packaging/guest/fetch packaging/guest/test
GUEST_SCRIPTS := packaging/guest/initramfs-init $(filter-out %.awk,$(wildcard packaging/guest/rootfs/usr/lib/virga/* packaging/guest/rootfs/usr/local/bin/*))
CONSOLE := service/compute/console/page
GOLANGCI_VERSION := v2.15.0
LINTER := bin/tools/golangci-lint

export CGO_ENABLED = 0
export VIRT GUESTS

.DEFAULT_GOAL := help
.PHONY: help up down build guest deps docs test test-e2e test-engines test-crash test-simulation release-schemas test-guest tempest bench lint lint-format lint-vet lint-shell lint-go tools clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## install what lacks, build, start the cloud, boot a first server (VIRT=fake: without root and guests)
	@packaging/make/up

down: ## stop the cloud; GUESTS=1 shuts its guests down, too
	@packaging/make/down

build: $(CONSOLE)/dist/vnc.js ## build bin/virga
	$(GO) build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/virga ./cmd/virga

$(CONSOLE)/dist/vnc.js: $(CONSOLE)/package-lock.json $(wildcard $(CONSOLE)/*.js $(CONSOLE)/*.html $(CONSOLE)/*.css)
	cd $(CONSOLE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent build

guest: $(GUEST_IMAGE) ## make the tiny guest image, when its recipe has changed

$(GUEST_IMAGE): $(GUEST_RECIPE)
	packaging/make/guest $@

deps: ## install the Debian packages that building, running and testing need (root)
	packaging/make/deps build guest run client test

docs: ## write docs/policy anew from the services' rules
	$(GO) run ./test/policydocs docs/policy

test: ## run all tests that need neither root nor a hypervisor
	$(GO) run ./test/total $(TOTAL_FLAGS) $(GO) test -json ./...

test-e2e: ## run the tests with real guests (root)
	@TOTAL_FLAGS="$(TOTAL_FLAGS)" packaging/make/test-e2e

test-simulation: ## let everything go wrong in fake time, as seeds decide (SEEDS, FIRST; SEED: one of them again, turn by turn)
	@export SEEDS=$${SEEDS:-2000} FIRST=$${FIRST:-$$RANDOM}; echo "the same again: make test-simulation SEEDS=$$SEEDS FIRST=$$FIRST"; \
	export SIMULATION_SUMMARY=$$(mktemp); trap 'cat "$$SIMULATION_SUMMARY"; rm -f "$$SIMULATION_SUMMARY"' EXIT; \
	$(GO) run ./test/total $(TOTAL_FLAGS) $(GO) test -json -count=1 -timeout 30m -run TestSeeds ./test/simulation

test-crash: build ## kill the cloud at random moments and compare what it says with what is there (KILLS, ACTORS, SEED, ENGINES)
	@export SEED=$${SEED:-$$RANDOM$$RANDOM} VIRGA_BIN=$(CURDIR)/bin/virga; echo "the same again: make test-crash SEED=$$SEED"; \
	$(GO) run ./test/total $(TOTAL_FLAGS) $(GO) test -json -tags crash -count=1 -timeout 12h ./test/crash

test-engines: ## run the tests of what keeps data on PostgreSQL and MariaDB
	@TOTAL_FLAGS="$(TOTAL_FLAGS)" packaging/make/test-engines

release-schemas: build ## keep the tables of a release, with rows, and list its migrations (RELEASE=v0.2)
	RELEASE=$(RELEASE) VIRGA_BIN=$(CURDIR)/bin/virga $(GO) test -tags release -count=1 -run TestWriteRelease ./test/schemas

test-guest: $(GUEST_IMAGE) ## boot the guest image under plain QEMU and check it (root)
	packaging/guest/test $(GUEST_IMAGE)

tempest: build $(if $(filter guests,$(SERVICE)),guest) ## run Tempest, the field's own suite, on simulated guests (SERVICE=identity|image|compute|network|scenario|smoke, REGEX, UPDATE=1), or on real ones (SERVICE=guests, root)
	$(GO) run ./test/compat/tempest -service "$${SERVICE:-identity}" -regex "$${REGEX:-}" $(if $(UPDATE),-update) $(TEMPEST_FLAGS)

bench: build ## measure, on simulated guests
	$(GO) run ./test/bench

lint: lint-format lint-vet lint-shell lint-go ## check form and common mistakes (make -k lint: all of it, whatever fails)

lint-format:
	@unformatted=$$(gofmt -l .); [[ -z $$unformatted ]] || { echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; }

lint-vet:
	$(GO) vet ./...
	$(GO) vet -tags e2e ./...
	$(GO) vet -tags crash ./test/crash
	$(GO) vet -tags release ./test/schemas
	$(GO) vet -tags gabbi ./service/placement

lint-shell:
	@if command -v shellcheck > /dev/null; then \
		echo shellcheck; shellcheck -x $(SCRIPTS) && shellcheck -s dash $(GUEST_SCRIPTS); \
	elif [[ $${CI:-} == true ]]; then echo "lint: shellcheck is missing" >&2; exit 1; \
	else echo "lint: shellcheck is missing, scripts are not checked" >&2; fi

lint-go:
	@linter=$$(command -v $(LINTER) || command -v golangci-lint || true); \
	if [[ -n $$linter ]]; then echo "$$linter run"; "$$linter" run ./...; \
	elif [[ $${CI:-} == true ]]; then echo "lint: golangci-lint is missing (make tools)" >&2; exit 1; \
	else echo "lint: golangci-lint is missing (make tools builds it), only vet has run" >&2; fi

tools: $(LINTER) ## build the linter into bin/tools

$(LINTER):
	GOBIN=$(CURDIR)/bin/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

clean: ## remove everything built
	rm -rf bin build dist
