# `make` lists the targets. Those that need the environment build it first; a second run repeats no work.
#   make setup PYTHON=/path/to/python3.12       another Python than the first suitable one
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu      torch's CPU build
#   make setup TRAINING=no                      without torch: the monitor and replay only
#   make test ARGS="-k alignment"               arguments for pytest
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHONS := $(or $(PYTHON),python3 python3.12 python3.11)
SETUP_OPTIONS := $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX)) $(if $(filter no,$(TRAINING)),--without-training)
RUN := .venv/bin
ARGS :=

# A sourced ROS installation or an activated environment would mix its packages into this one.
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONHOME PYTHONPATH VIRTUAL_ENV
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
ifdef ROS_DISTRO
unexport LD_LIBRARY_PATH
endif

.PHONY: help setup demo test lint bench clean

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Build .venv: ROS 2 Jazzy, the messages and msstan
	@for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then \
	    exec "$$python" tools/setup_environment.py $(SETUP_OPTIONS); \
	  fi; \
	done; \
	echo "setup: no Python 3.11 or 3.12 found (tried: $(PYTHONS)); install one (sudo apt install python3 python3-venv python3-dev) or name it: make setup PYTHON=/path/to/python3.12" >&2; \
	exit 1

demo: setup ## Watch the monitor recognise a simulated weld
	@$(RUN)/msstan demo $(ARGS)

# A domain and a log folder of the run's own: other ROS systems on the machine or in the network stay out of the tests.
test: export ROS_DOMAIN_ID := $(shell echo $$((1 + $$$$ % 100)))
test: export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
test: export ROS_LOG_DIR := $(CURDIR)/out/test_logs
test: setup ## Run the tests
	@$(RUN)/python -m pytest $(ARGS)

lint: setup ## Check style (ruff) and types (mypy)
	@$(RUN)/ruff check .
	@$(RUN)/mypy

bench: setup ## Measure latencies; write docs/results/bench.json and docs/performance.md
	@$(RUN)/msstan bench --json docs/results/bench.json --page docs/performance.md $(ARGS)

clean: ## Remove the environment, build folders and caches
	rm -rf .venv build install log .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
