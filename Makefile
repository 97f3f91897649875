# SPDX-License-Identifier: GPL-3.0-or-later
# Everything a newcomer types. `make help` tells what there is; each target sets up what it needs.

SHELL := /bin/sh
# Where a machine is set so, each of the many Pythons of a run would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
SETUP := tools/setup
INIT := hyperstart/init

.DEFAULT_GOAL := help
.PHONY: help setup run test unit lint format docs init bench fuzz clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/hyper: pyproject.toml $(SETUP)
	@$(SETUP) run

$(VENV)/.test: pyproject.toml $(SETUP) roles/kvm_host/defaults/main.yml
	@$(SETUP) test
	@touch $@

setup: $(BIN)/hyper ## Make the virtual environment with the hyper command

run: $(BIN)/hyper ## Prepare this machine as a KVM host and run a sample pod on it
	@$(BIN)/python -m hyperstart.demo

test: $(VENV)/.test init ## Run all tests, real guests among them
	@$(BIN)/pytest -n 2 --dist loadgroup

unit: $(VENV)/.test init ## Run the tests that need no guest, in seconds
	@$(BIN)/pytest -q -n 4 --dist worksteal tests/unit tests/init -m "not guest and not slow"

lint: $(VENV)/.test ## Check form, types and style of everything
	@$(BIN)/pre-commit run --all-files

format: $(VENV)/.test ## Bring all code into its form
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/clang-format -i $(INIT)/*.c $(INIT)/*.h

docs: $(VENV)/.test ## Make docs/manifest.md from the table of fields
	@$(BIN)/python -m tools.manifest_doc

init: ## Build hyperstart, the guest's init
	@$(MAKE) --no-print-directory -C $(INIT)

bench: $(VENV)/.test init ## Measure how long a pod takes to start, beside a bare boot, and a container to be replaced
	@$(BIN)/python -m benchmarks.start
	@$(BIN)/python -m benchmarks.replace

fuzz: $(VENV)/.test ## Fuzz hyperstart's parsers for ten minutes
	@$(BIN)/python -m tools.fuzz

clean: ## Remove what was built; pods and images on the host stay
	@rm -rf build $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache *.egg-info
