# Two commands for a fresh machine with Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
OUTPUT ?= coral-output
# Where the Edge TPU compiler is; `none` predicts the placement instead.
COMPILER ?= none
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps

# Workflow files, ours and those that users copy.
WORKFLOWS := $(wildcard .github/workflows/*.yml)
RECIPES := docs/recipes/coral.yml docs/recipes/coral-comment.yml
# Descriptions of GitHub's interfaces, and what the browser tests need. Without npm those tests skip.
NPM_PACKAGES := tests/github/openapi/node_modules/.package-lock.json \
	tests/browser/node_modules/.package-lock.json

.PHONY: demo test lint format bench clean lock fuzz screenshots container docs

demo: $(VENV)/.runtime
	$(BIN)/coral-quantize demo --output $(OUTPUT) --compiler $(COMPILER)

test: $(VENV)/.development $(NPM_PACKAGES)
	$(BIN)/python -m pytest $(TESTS)

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS) $(RECIPES)
	$(BIN)/actionlint $(WORKFLOWS) $(RECIPES)
	$(BIN)/zizmor --offline --quiet action.yml $(WORKFLOWS)
	$(BIN)/zizmor --offline --quiet --config docs/recipes/zizmor.yml $(RECIPES)

# A longer run of the fuzz tests that `make test` runs for a minute or two: ten minutes each for the
# readers of the parent process, with another seed every time.
FUZZ_SECONDS ?= 600
fuzz: $(VENV)/.development
	CORAL_FUZZ_SECONDS=$(FUZZ_SECONDS) CORAL_FUZZ_SEED=$$(date +%s) \
		$(BIN)/python -m pytest -s tests/fuzz
	CORAL_FUZZ_CASES=20000 $(BIN)/python -m pytest -s tests/loading/test_fuzz_loading.py

# Pictures for the documentation; needs Chromium.
screenshots: $(VENV)/.development $(NPM_PACKAGES)
	$(BIN)/python tests/report/screenshots.py

# The documentation site, into site/; a broken link or anchor is an error.
docs: $(VENV)/.development
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Builds the image and runs it as the runner does, without a Docker daemon; needs root and Debian.
container: $(VENV)/.development
	tests/container/run $(BIN)/python

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.development
	$(BIN)/python bench/main_job.py

clean:
	rm -rf $(VENV) $(OUTPUT) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache

# Needs uv (https://docs.astral.sh/uv/); see docs/dependencies.md.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --override requirements.overrides.txt --extra legacy-keras pyproject.toml
lock:
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --extra onnx --output-file requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --group audit --output-file requirements-audit.lock

# --no-deps: the lock is the whole truth, and pip must not add what it does not hold.
$(VENV)/.runtime: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	if command -v npm >/dev/null; then npm ci --ignore-scripts --no-audit --no-fund --silent --prefix $*; fi
