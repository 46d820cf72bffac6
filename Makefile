# A bare `make` lists what there is. Every target sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
SYMBOLS_DATA := data/equity/usa/daily

# TensorFlow's start-up notices drown the progress bars.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_ENABLE_ONEDNN_OPTS ?= 0
# Sums in one order, so that the number of cores does not change the last bits of a result.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev data backtest live report test test-slow check format bench realism mutants notebooks clean-models clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/run.stamp: requirements/run.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v[:2] == (3, 11) else f"Mirage needs Python 3.11, the version of LEAN'"'"'s image; $(PYTHON) is {v.major}.{v.minor}. Set PYTHON=/path/to/python3.11.")'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the backtest needs (once; a few minutes)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/run.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing what tests and checks need (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(VENV)/notebook.stamp: requirements/notebook.txt $(VENV)/run.stamp
	@echo "Installing what the notebooks need (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/notebook.txt
	@touch $@

setup: $(VENV)/run.stamp ## create .venv with what the backtest needs
setup-dev: $(VENV)/dev.stamp ## ... and with what tests and checks need

data: setup ## write the packaged market data in LEAN's format to data/
	@$(BIN)/python -m engine data import packaged

backtest: data ## run the whole mission once on real data and show what came out
	@$(BIN)/python -m engine backtest .

LIVE := $(BIN)/python -m engine live . --state live/demo --parameter symbols AAPL,IBM,MSFT --parameter deployment demo

live: data ## a month of paper trading, replayed in a minute: a restart and a split within it
	@rm -rf live/demo storage/mirage-live/demo-*.json storage/mirage-live/re*/demo-*.json
	@$(LIVE) --from 2005-02-14 --to 2005-02-24
	@echo; echo "The machine is switched off, and on again before the next open."; echo
	@$(LIVE) --to 2005-03-11
	@echo; $(BIN)/python -m engine status live/demo
	@echo; echo "Report: $$($(BIN)/python -m engine report "$$(ls -d live/2*/ | sort | tail -n 1)")"

report: setup ## rebuild report.html of the newest backtest that has something to show
	@$(BIN)/python -m engine report

test: setup-dev ## run the test suite (slow tests excluded)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

test-slow: setup-dev $(VENV)/notebook.stamp data ## run the slow tests
	@$(BIN)/python -m pytest -q -m slow

check: setup-dev ## formatting, lint and types, the strategy against LEAN's stubs included
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup-dev ## format the code in place
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-dev data ## measure speed against others (prints medians and ratios)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	@for script in env_steps predictive_draws sampling_speed agent_updates joint_paths engine_speed backtest_cost; do \
	  echo "== $$script"; $(BIN)/python -m research.benchmarks.$$script || exit 1; done

realism: setup-dev ## measure how real the imagined markets are (TDQN=FOLDER: the paper's stocks, else packaged bars)
	@for script in two_sample rollout_calibration economic_content; do \
	  echo "== $$script"; \
	  $(BIN)/python -m research.benchmarks.$$script $(if $(TDQN),--tdqn $(TDQN),--packaged) || exit 1; done
	@echo "== coverage"; $(BIN)/python -m research.benchmarks.coverage

mutants: setup-dev ## list faults in caps, accounting, orders and artifacts that tests would miss
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/mutants.txt
	@$(BIN)/python -m research.experiments.mutants

notebooks: $(VENV)/notebook.stamp data ## run the research notebooks; their pages go to research/notebooks/html/
	@$(BIN)/jupyter nbconvert --log-level ERROR --to html --execute \
	  --output-dir research/notebooks/html research/notebooks/*.ipynb
	@ls research/notebooks/html/*.html

clean-models: setup ## clear the cached models from the object store
	@$(BIN)/python -m engine object-store clear --prefix mirage

clean: ## remove results and caches of tools (not models, not data)
	@rm -rf backtests research/notebooks/html .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
