# make setup | demo | test | test-slow | lint | bench | docs | clean
# Everything happens in .venv; PYTHON chooses the interpreter (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := simulations,sweep,dask,explore,test
RESULTS ?= results

.PHONY: setup demo test test-slow lint bench docs layout pages clean
setup: $(VENV)/.installed

# The stamp is newer than what decides the installation; an interrupted installation leaves none.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "statmech-cl needs Python 3.10 or newer: make setup PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

demo: setup
	$(BIN)/statmech-cl reproduce fig2b --scale quick --out $(RESULTS)

test: setup
	$(BIN)/python -m pytest -n 2

test-slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup layout
	$(BIN)/ruff check .
	$(BIN)/mypy

# The package as it is installed, for tools that read source files: the outer folders in their places.
layout:
	rm -rf build/layout && mkdir -p build/layout/statmech_cl
	ln -s $(CURDIR)/statmech_cl/* $(CURDIR)/simulations $(CURDIR)/figures $(CURDIR)/paper_repro $(CURDIR)/explore build/layout/statmech_cl

bench: setup
	$(BIN)/python -m benchmarks

# The README's table and the gallery, from the registry of figures.
pages: setup
	$(BIN)/python docs/pages.py

docs: setup layout
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[docs]'
	mkdir -p build/typeset && cp docs/typeset/package.json docs/typeset/package-lock.json build/typeset
	npm ci --prefix build/typeset --ignore-scripts --no-audit --no-fund --silent
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site results .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
