# Everything sets itself up: what is downloaded or built is kept in a cache outside the checkout.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTEST_ARGS ?=
# Tests mostly wait: WORKERS=3 runs three at a time, where cores are free; on two, pods on kind become late by it.
WORKERS ?= 0
EXAMPLES ?= 5000
WAITS ?= 5000
RUNS ?= 100
PODS ?= 100
SEED := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

.DEFAULT_GOAL := help
.PHONY: help setup cluster demo demo-kind kind-down test test-flyte lint fuzz chaos bench bench-peers scale docs image audit sbom clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*  ## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup:
	@tools/python.sh

demo: setup  ## the main job on this machine: a workflow waits for an object in a real MinIO
	@tools/minio.sh >/dev/null
	@python -m demo.local

demo-kind: setup  ## the same on a kind cluster, with MinIO and Prometheus; it stays for the next run
	@python -m demo.kind

kind-down:  ## remove the kind cluster and our own images; says what stays
	@tools/cluster.sh down

cluster: setup
	@tools/cluster.sh up >/dev/null
	@tools/images.sh

test: setup lint $(if $(findstring --no-kind,$(PYTEST_ARGS)),,cluster)  ## everything: lint, types, unit tests, a real MinIO, a kind cluster
	@tools/minio.sh >/dev/null
	@tools/emulators.sh >/dev/null
	@tools/prometheus.sh >/dev/null
	@tools/prometheus.sh promtool >/dev/null
	@tools/operator.sh >/dev/null
	@tools/chromium.sh >/dev/null
	pytest --numprocesses=$(WORKERS) --dist=loadgroup $(if $(FLYTE_CONFIG),--flyte-config=$(FLYTE_CONFIG)) $(PYTEST_ARGS)

test-flyte: setup cluster  ## workflows with sensors on Flyte's own engine, on the kind cluster
	@tools/images.sh flyte
	pytest tests/e2e/test_flyte.py --flyte-engine $(PYTEST_ARGS)

lint: setup  ## format, lint, types, layers
	ruff format --check .
	ruff check .
	mypy
	lint-imports

fuzz: setup  ## the tests with generated input, for longer and on other input: EXAMPLES=5000 for each
	@echo 'random input; to repeat this run: make fuzz SEED=$(SEED) EXAMPLES=$(EXAMPLES)'
	FUZZ_EXAMPLES=$(EXAMPLES) pytest -m hypothesis --hypothesis-profile=fuzz --hypothesis-seed=$(SEED) --timeout=0 \
		--durations=5 tests/sidecar $(PYTEST_ARGS)

chaos: setup  ## waits under faults for long: WAITS=20000 SEED=1; make test runs 500
	@tools/minio.sh >/dev/null
	pytest tests/chaos --chaos-waits=$(WAITS) --chaos-seed=$(SEED)

bench: setup  ## the figures of the README, measured here
	@tools/minio.sh >/dev/null
	python -m tests.bench

bench-peers: setup  ## what waiting takes here and with other tools, into docs/: RUNS=100 for each, most of an hour
	@tools/minio.sh >/dev/null
	@tools/peers.sh >/dev/null
	python -m tests.bench.comparison --runs=$(RUNS)
	python -m tools.readme

scale: setup cluster  ## many sensors at once on the kind cluster, into docs/: PODS=100
	python -m tests.e2e.scale --pods=$(PODS)
	python -m tools.readme

docs: setup  ## write the README's tables, the rendered pod, the operator's rules and Grafana's dashboards from the code
	python -m tests.bench.published
	python -m tools.readme
	python -m tests.k8s.test_manifests
	python -m tools.dashboards

image: setup  ## build the watcher's image; REGISTRY=host/name pushes it, too
	@tools/images.sh watcher

audit: setup  ## known vulnerabilities of what the watcher's image and the sensor's environment hold
	@tools/audit.sh

sbom: setup  ## an SBOM (CycloneDX) of the watcher's image: build/sbom.json
	@tools/sbom.sh

clean:  ## remove what was made in the checkout (the cache stays)
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
