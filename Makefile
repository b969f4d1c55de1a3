# Everything sets itself up: what is downloaded or built is kept in a cache outside the checkout.
include versions.env
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*  ## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup:
	@tools/python.sh

demo: setup  ## the main job on this machine: a workflow waits for an object in a real MinIO
	@tools/minio.sh >/dev/null
	@python -m demo.local

test: setup lint  ## everything: lint, types, unit tests, real MinIO
	@tools/minio.sh >/dev/null
	pytest $(PYTEST_ARGS)

lint: setup  ## format, lint, types, layers
	ruff format --check .
	ruff check .
	mypy
	lint-imports

bench: setup  ## the figures of the README, measured here
	@tools/minio.sh >/dev/null
	python -m tests.bench

clean:  ## remove what was made in the checkout (the cache stays)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
