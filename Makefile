# What a person needs:  make run   make test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?=

.PHONY: setup run demo test lint types unit bench clean

# Prepare .venv with .venv/bin/modelshelf, at the versions of packaging/constraints.txt.
setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml packaging/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "modelshelf needs Python 3.11 or newer (set PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no venv: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check -c packaging/constraints.txt -e .
	@touch $@

# Watch MODELS=/a/folder against the real Civitai, whatever configuration file lies around;
# without MODELS a demo shelf with a local stand-in.
run: setup
ifeq ($(strip $(MODELS)),)
	@$(BIN)/python -m contrib.demo
else
	@MODEL_PATH="$(abspath $(MODELS))" $(BIN)/modelshelf --config /dev/null run
endif

# What tests and linters need beside the program.
$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c packaging/constraints.txt -e '.[dev]'
	@touch $@

# Everything: formatting, lint, types, every test, coverage.
test: $(VENV)/.ready-dev
	@sh tests/install-needs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest --cov --cov-report=term

# Speed against public tools, as ratios within one run.
bench: $(VENV)/.ready-dev
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) demo .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
