# Two commands for a fresh machine with Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
OUTPUT ?= coral-output
# Where the Edge TPU compiler is; `none` predicts the placement instead.
COMPILER ?= none
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps

.PHONY: demo test lint format bench clean lock

demo: $(VENV)/.runtime
	$(BIN)/coral-quantize run --config examples/digits/coral.yml --output $(OUTPUT) --compiler $(COMPILER)

test: $(VENV)/.development
	$(BIN)/python -m pytest $(TESTS)

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.development
	$(BIN)/python bench/main_job.py

clean:
	rm -rf $(VENV) $(OUTPUT) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

# Needs uv (https://docs.astral.sh/uv/); see docs/dependencies.md.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --override requirements.overrides.txt --extra legacy-keras pyproject.toml
lock:
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --output-file requirements-dev.lock

# --no-deps: the lock is the whole truth, and pip must not add what it does not hold.
$(VENV)/.runtime: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@
