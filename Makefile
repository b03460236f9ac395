# Two commands on a fresh machine do everything: `make demo` and `make test`.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do $$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: demo test test-clients lint types contracts bench readme clean

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "dbutils-local needs Python 3.11 or newer: none was found (set PYTHON=...)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet -e '.[demo]'
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch .venv/.demo $@

demo: .venv/.demo
	$(BIN)/python notebooks/demo.py

test: .venv/.dev lint types contracts
	@sh .ci/chromium
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-clients: .venv/.dev
	$(BIN)/python -m pytest -m clients -o addopts= tests/clients

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

contracts: .venv/.dev
	$(BIN)/lint-imports

bench: .venv/.dev
	$(BIN)/python -m tests.benchmarks

readme: .venv/.dev
	$(BIN)/python .ci/readme.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist artifacts
