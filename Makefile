# make demo   sets up what is missing, builds, runs the main job on real data
# make test   sets up what the tests need, runs all of them
# make crash  kills the server and its tasks at random for 15 minutes
# make cgroup2  runs the tests of limits in a guest with cgroups of version 2
# The other targets: build setup lint bench conformance clean.

SHELL := /bin/bash
GO ?= go
SUITE ?=
PARTS ?= .
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all setup build demo test lint unit race crash cgroup2 bench conformance clean

all: build

setup:
	@scripts/setup.sh run

build: bin/fringe

# The binary depends on everything that go build looks at; go decides what is new.
.PHONY: bin/fringe
bin/fringe:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/fringe ./cmd/fringe

demo: setup build
	@python3 scripts/demo.py

test:
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint unit race

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt: $$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# What tests build, publish and start themselves is unknown to the cache of results.
unit:
	$(GO) test -count=1 -timeout 30m -p 1 ./...

# The rooms with concurrency of their own, under the race detector.
race:
	$(GO) test -race -timeout 15m ./store ./auth ./archive ./pool ./server/front

crash:
	$(GO) test -count=1 -timeout 60m -v ./bench/crash -args -crash.for=15m

# make cgroup2 PARTS=PATTERN: some of the parts that scripts/cgroup2.sh names.
cgroup2:
	@scripts/cgroup2.sh "$(PARTS)"

bench: build
	@scripts/setup.sh bench
	@scripts/bench.sh

# make conformance SUITE=DIR: the public CWL v1.2 conformance suite in DIR.
conformance: build
	@scripts/conformance.sh "$(SUITE)"

clean:
	rm -rf bin
