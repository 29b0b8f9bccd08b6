# The developer commands; CI runs the same ones. `make help` lists them.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse --verify -q HEAD 2>/dev/null || echo unknown)
DATE     ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
ENGINE   ?= docker
IMAGE    ?= carillon:$(VERSION)
BENCH    ?= .
PLATFORMS ?= linux/amd64,linux/arm64
OUTPUT   ?= --load

LDFLAGS    := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
LINT       := $(GO) tool -modfile=internal/tools/go.mod golangci-lint
VULN       := golang.org/x/vuln/cmd/govulncheck@v1.9.0
BUILD_ARGS := --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE)

.DEFAULT_GOAL := help
RUNS ?= 3

.PHONY: help run run-cluster build fmt lint test test-deps cover fuzz bench bench-server bench-go vuln check portable tidy-diff fmt-diff dist image image-buildah image-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the server from source; ARGS="--config my.yaml" passes arguments
	$(GO) run ./cmd/carillon $(ARGS)

run-cluster: ## run three NATS servers, two nodes and HAProxy on this machine; Ctrl-C ends them
	$(GO) run ./cmd/carillon-cluster $(ARGS)

build: ## build the static binary bin/carillon
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/carillon ./cmd/carillon

fmt: ## format the code (gofumpt, goimports)
	$(LINT) fmt

lint: ## run the linters (the first run compiles them: about two minutes)
	$(LINT) run ./...

test: test-deps ## install the Debian packages the tests need (as root), then run all tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -shuffle=on ./...
	CGO_ENABLED=0 $(GO) test -run Damage ./internal/infra/disklog # what cannot run with the race detector
	cd deploy/check && $(GO) test ./...
	cd deploy/helm && $(GO) test -count=1 ./...
	cd deploy/prometheus && $(GO) test -count=1 ./... # the first run compiles promtool: some minutes
	cd deploy/packages && $(GO) test ./...

test-deps:
	@scripts/install-test-deps.sh

cover: test-deps ## run the tests and write bin/cover.html
	@mkdir -p bin
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -html=bin/cover.out -o bin/cover.html
	$(GO) tool cover -func=bin/cover.out | tail -n 1

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh $(FUZZTIME)

bench: bench-server bench-go ## compare the server with the floor, then run the Go benchmarks

bench-server: ## compare the server with the floor (RUNS=3, CASES='*tls* one-reader'); see docs/performance.md
	@RUNS=$(RUNS) CASES='$(CASES)' bench/run.sh

bench-go: ## run the Go benchmarks with allocations; BENCH=regexp selects
	@dirs=$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n 1 dirname | sort -u); \
	if [ -z "$$dirs" ]; then echo 'no benchmarks yet'; else \
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $$dirs; fi

vuln: ## report known vulnerabilities (needs the online database; not part of check)
	$(GO) run $(VULN) ./...

portable: ## vet the code for systems that cannot take over connections
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...

check: lint tidy-diff fmt-diff portable test ## run every check that a change must pass

tidy-diff: ## fail if go.mod or go.sum are not tidy
	$(GO) mod tidy -diff
	$(GO) -C internal/tools mod tidy -diff
	$(GO) -C deploy/check mod tidy -diff
	$(GO) -C deploy/helm mod tidy -diff
	$(GO) -C deploy/prometheus mod tidy -diff
	$(GO) -C deploy/packages mod tidy -diff

fmt-diff: ## fail if a file is not formatted
	$(LINT) fmt --diff

dist: ## build a release into dist/: binaries, .deb, .rpm, SBOM, checksums (TARGETS="linux/amd64 …")
	@scripts/dist.sh dist

# Docker needs the containerd image store to load an image of several platforms; OUTPUT=--push pushes it instead.
image: ## build the container image for PLATFORMS (linux/amd64,linux/arm64) with docker; OUTPUT=--push
	$(ENGINE) buildx build --platform $(PLATFORMS) $(BUILD_ARGS) -t $(IMAGE) $(OUTPUT) .

image-buildah: ## the same with buildah, without a daemon; the result is a manifest list
	buildah build --isolation chroot --format docker --layers --platform $(PLATFORMS) $(BUILD_ARGS) --manifest $(IMAGE) .

image-test: ## build the image with buildah and test it: static, no shell, not root, it runs (needs root and Debian)
	scripts/container-test.sh

clean: ## remove the files that the other targets wrote
	rm -rf bin dist
