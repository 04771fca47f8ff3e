# Each target makes what it needs first, in .venv; all of them work from a clean checkout.
PYTHON ?= python3
# Tests wait for a database a third of their time: half as many again at once as there are cores.
JOBS ?= $(shell expr 3 \* $$(getconf _NPROCESSORS_ONLN) / 2)
export PYTHON

BIN := .venv/bin
CODE := $(foreach d,src tests bench scripts,$(if $(wildcard $d/*.py $d/*/*.py),$d))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check style types imports locks bench format lock upgrade clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo:  ## replay real recorded calls through a whole life each, and show what was kept
	@sh scripts/env run
	$(BIN)/callstore demo

test:  ## all tests, with branch coverage (ARGS='-k join' for some: then without coverage)
	@sh scripts/env dev
	@sh scripts/test -n $(JOBS) --dist loadgroup $(if $(ARGS),$(ARGS),--cov)

check:  ## what CI checks without running the code: style, types, who imports whom, the locks
	@$(MAKE) --no-print-directory --keep-going style types imports locks

style:
	@sh scripts/env bench
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types:
	@sh scripts/env bench
	$(BIN)/mypy $(CODE)

imports:
	@sh scripts/env bench
	$(BIN)/lint-imports --no-logo

locks:
	@sh scripts/env bench
	$(BIN)/python scripts/locks.py --check

bench:  ## measure it, beside what most would write, on the same machine
	@sh scripts/env bench
	$(BIN)/python -m bench $(ARGS)

format:  ## put the code in shape: ruff's safe fixes and its formatter
	@sh scripts/env dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock:  ## write the locks anew after a change to the dependencies in pyproject.toml
	@sh scripts/env bench
	$(BIN)/python scripts/locks.py

upgrade:  ## write the locks anew with the newest versions allowed
	@sh scripts/env bench
	$(BIN)/python scripts/locks.py --upgrade

clean:  ## remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov build dist
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
