# make demo    set-up + the main job: learns Rooms from pixels and writes runs/demo/report.html
# make test    set-up + style, types and tests (everything but the tests marked slow)
# make docs    set-up + the documentation site, into site/ (warnings are errors)
# make worlds  set-up of other people's worlds (Push-T, OGBench, highway-env); their tests then run too
# Needs Python >= 3.11 (with venv and pip) and make. Other interpreter: make demo PYTHON=python3.12
# An NVIDIA machine: make demo TORCH_BUILD=cuda (PyPI's build on Linux); the default is the CPU build.

PYTHON ?= python3
TORCH_BUILD ?= cpu
TORCH := $(shell grep '^torch==' constraints.txt)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
BASE := .venv/.installed-torch
ALL := .venv/.installed-all
DEV := .venv/.installed-dev
WORLDS := .venv/.installed-worlds
DOCS := .venv/.installed-docs
COVERAGE := .venv/.installed-coverage

.PHONY: demo test slow coverage mutation worlds lint types tests tables docs clean help
help:
	@sed -n '/^$$/q;s/^# //p' Makefile

demo: $(ALL)
	$(BIN)/forethought demo

test: lint types tests

lint: $(DEV)
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

# A process per core; each file's tests stay in one, for they share what they have set up. In the order of the folders: by
# their number of tests, the files with the longest ones would come last, and a process would be done well before the other.
tests: $(DEV)
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile --no-loadscope-reorder

slow: $(DEV)
	$(BIN)/python -m pytest -m slow

worlds: $(WORLDS)

# Branch coverage of the core by its fast tests. Left out: tests of the benchmarks, and field cases, which are processes of
# their own. What each test reaches and how long it takes serves `make mutation`.
coverage: $(COVERAGE)
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile --ignore tests/field --ignore tests/forethought_benchmarks \
	  --cov=forethought --cov-branch --cov-context=test --cov-report=term:skip-covered --cov-fail-under=92 \
	  --junitxml=.durations.xml

# 200 small faults in the core, a random sample, and how many the tests notice; after `make coverage`.
mutation: $(COVERAGE)
	$(BIN)/python tests/mutation_sample.py

# Every table of figures in the documents is made from benchmarks/*.json by this, never typed.
tables: $(DEV)
	$(BIN)/python -m forethought_benchmarks.tables
	$(BIN)/python -m forethought.config.reference

# The tests do not build the site; it has an extra of its own.
docs: $(DOCS)
	$(BIN)/python -m mkdocs build --strict

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Forethought needs Python >= 3.11, and $(PYTHON) is older; say which one to use: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv

# torch comes first and alone, so that nothing else draws in a CUDA build of several gigabytes. A pip that already knows
# a place with CPU wheels is served by the first line; plain Linux by the second; macOS and the rest by PyPI.
$(BASE): pyproject.toml constraints.txt | $(BIN)/python
ifeq ($(TORCH_BUILD),cpu)
	$(PIP) install -q "$(TORCH)+cpu" 2>/dev/null \
	  || { test "$$(uname -s)" = Linux && $(PIP) install -q --index-url https://download.pytorch.org/whl/cpu "$(TORCH)"; } \
	  || $(PIP) install -q "$(TORCH)"
else
	$(PIP) install -q "$(TORCH)"
endif
	@touch $@

# What the demo runs: no Ray, no tools of the tests.
$(ALL): $(BASE)
	$(PIP) install -q -c constraints.txt -e '.[all]'
	@touch $@

# It brings all of the above; a later `make demo` has nothing to install.
$(DEV): $(BASE)
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $(ALL) $@

$(WORLDS): $(DEV)
	$(PIP) install -q -c constraints.txt -e '.[dev,worlds]'
	@touch $@

$(DOCS): $(DEV)
	$(PIP) install -q -c constraints.txt -e '.[dev,docs]'
	@touch $@

$(COVERAGE): $(DEV)
	$(PIP) install -q -c constraints.txt -e '.[dev,coverage]'
	@touch $@

clean:
	rm -rf build dist site .pytest_cache .ruff_cache .mypy_cache
