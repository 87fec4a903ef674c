# What a person needs:  make run   make test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?=
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' daemon/modelshelf/__init__.py)

.PHONY: setup run demo test lint types unit bench wheel deb container soak kills fuzz clean

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

# dist/modelshelf-VERSION-py3-none-any.whl and the source archive that it was built from.
wheel: $(VENV)/.ready-dev
	PIP_CONSTRAINT="$(CURDIR)/packaging/constraints.txt" $(BIN)/python -m build --outdir dist .

# dist/modelshelf_VERSION_ARCHITECTURE.deb, for the Debian or Ubuntu that this is.
deb: wheel
	PIP="$(BIN)/pip" sh packaging/deb/build dist/modelshelf-$(VERSION)-py3-none-any.whl dist

# The image modelshelf:VERSION, by podman or docker; BASE=another/image:tag if you like.
container:
	@engine=$$(command -v podman || command -v docker) || { echo "no podman and no docker: apt-get install podman"; exit 1; }; \
	"$$engine" build --file packaging/container/Containerfile $(if $(BASE),--build-arg BASE=$(BASE)) --tag modelshelf:$(VERSION) .

# An hour of files that come, change and go: memory, descriptors, threads and WAL must stay flat. SECONDS=600 for ten minutes.
soak: $(VENV)/.ready-dev
	MODELSHELF_SOAK_SECONDS=$(or $(SECONDS),3600) $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/soak -s

# The daemon is killed 200 times at random moments while files arrive. KILLS=1000 for more.
kills: $(VENV)/.ready-dev
	MODELSHELF_KILLS=$(or $(KILLS),200) $(BIN)/python -m pytest tests/faults/test_faults_crash.py -k random -s -o faulthandler_timeout=7200

# Strange bytes into every reader, each for a minute: guided by coverage after `.venv/bin/pip install atheris`, else by chance.
# SECONDS=600 for ten minutes each, TARGET=gguf for one alone.
fuzz: $(VENV)/.ready-dev
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(TARGET)

clean:
	rm -rf $(VENV) demo dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
