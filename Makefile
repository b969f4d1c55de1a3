# Everything sets itself up: what is downloaded or built is kept in a cache outside the checkout.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup cluster demo demo-kind kind-down test lint bench docs image clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*  ## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup:
	@tools/python.sh

demo: setup  ## the main job on this machine: a workflow waits for an object in a real MinIO
	@tools/minio.sh >/dev/null
	@python -m demo.local

demo-kind: setup  ## the same on a kind cluster, with MinIO and Prometheus; it stays for the next run
	@python -m demo.kind

kind-down:  ## remove the kind cluster and what belongs to it (the cache stays)
	@tools/cluster.sh down

cluster: setup
	@tools/cluster.sh up >/dev/null
	@tools/images.sh

test: setup lint $(if $(findstring --no-kind,$(PYTEST_ARGS)),,cluster)  ## everything: lint, types, unit tests, a real MinIO, a kind cluster
	@tools/minio.sh >/dev/null
	pytest $(if $(FLYTE_CONFIG),--flyte-config=$(FLYTE_CONFIG)) $(PYTEST_ARGS)

lint: setup  ## format, lint, types, layers
	ruff format --check .
	ruff check .
	mypy
	lint-imports

bench: setup  ## the figures of the README, measured here
	@tools/minio.sh >/dev/null
	python -m tests.bench

docs: setup  ## write the README's tables and the rendered pod from the code
	python -m tools.readme
	python -m tests.k8s.test_manifests

image: setup  ## build the watcher's image; REGISTRY=host/name pushes it, too
	@tools/images.sh watcher

clean:  ## remove what was made in the checkout (the cache stays)
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
