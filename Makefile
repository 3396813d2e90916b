# The commands of the project. `make help` lists them.
# HOME_DIR is where Cloister keeps its data for demo and chat.

PYTHON ?= python3
HOME_DIR ?= .cloister
BIN := .venv/bin
CLOISTER := $(BIN)/cloister --home $(HOME_DIR)
.DEFAULT_GOAL := help
.PHONY: help env demo chat check test lint types arrows quick samples golden clean

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: ## prepare the environment from pinned versions (done by the others when needed)
	@$(PYTHON) .ci/bootstrap run

demo: env ## ingest the samples, ask three questions, verify the log
	@$(CLOISTER) ingest add samples/documents
	@$(CLOISTER) ask --queries samples/demo.jsonl
	@$(CLOISTER) audit verify
	@printf '\nNext: `make chat` opens these documents in the browser; add your own with\n'
	@printf '  %s ingest add YOUR_FOLDER\n' "$(CLOISTER)"
	@printf 'and ask in the terminal with\n  %s ask "your question"\n' "$(CLOISTER)"

chat: env ## open the chat on 127.0.0.1 (prints a one-time sign-in link)
	@$(CLOISTER) chat

.PHONY: dev
dev:
	@$(PYTHON) .ci/bootstrap dev

check: dev lint types arrows quick ## ruff, mypy, the arrows between packages, quick tests (under 2 minutes)

lint: dev ## ruff: style, format and known dangers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: dev ## mypy, strict
	@$(BIN)/mypy

arrows: dev ## import-linter: who may import whom
	@$(BIN)/lint-imports --no-cache

quick: dev ## the tests that need no model, browser or crowd of processes
	@$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile

test: dev ## every test (installs Chromium from Debian's packages if it is missing)
	@$(PYTHON) .ci/bootstrap browser
	@$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile
	@$(BIN)/python -m pytest -m slow

samples: dev ## build samples/documents from samples/sources again
	@$(BIN)/python samples/build.py

clean: ## remove the environment (the data folder stays)
	rm -rf .venv
