# Needs Python 3.11 or newer with venv, and make. Every target sets up what it needs.

# A launcher may stand on the PATH without a Python behind it, so each candidate has to run.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo "$$python" && break; done)
# Most of the time a test waits for a server: more workers than cores use it.
WORKERS ?= 5
PYTEST_ARGS ?=

# The tests start hundreds of processes, each of which would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
READY := $(VENV)/.ready

.PHONY: help demo test test-nightly test-flink check bench clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Show live changes of a throw-away PostgreSQL
	$(VENV)/bin/pgbridge demo

test: $(READY) ## Run the tests against every PostgreSQL that can be had here
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not nightly and not flink" $(PYTEST_ARGS)

test-nightly: $(READY) ## Run the slow profiles of the tests
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m nightly $(PYTEST_ARGS)

test-flink: $(READY) ## Compare processors with the same ones on a real Flink
	$(VENV)/bin/python -m pytest -m flink $(PYTEST_ARGS)

check: $(READY) ## Lint, formatting, types, and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_architecture.py

bench: $(READY) ## Measure throughput and latency
	$(VENV)/bin/python -m tests.benchmarks

clean: ## Remove everything that make has made
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found; set PYTHON." >&2; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
