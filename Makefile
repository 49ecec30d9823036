# make run: everything, with demo data and the sandbox. make serve: a real installation (docs/operations.md).
PYTHON ?= python3
VENV ?= .venv
.PHONY: help run serve test bench pictures lint format

IN := $(VENV)/bin/python
define BOOTSTRAP
@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) on this machine. Desk needs Python 3.11 or newer; say which: make $@ PYTHON=/path/to/python3.11" >&2; exit 1; }
@"$(PYTHON)" launcher/bootstrap.py "$(VENV)"
endef

help:
	@echo "make run       everything on this machine, with demo data and the sandbox that plays Meta"
	@echo "make serve     a real installation: web and worker, settings from the environment"
	@echo "make test      the whole test suite"
	@echo "make bench     the benchmark"
	@echo "make pictures  the pictures of the README, taken anew"
	@echo "make lint      lint and format check"

run:
	$(BOOTSTRAP) requirements.txt $@
	@"$(IN)" -m launcher run

serve:
	$(BOOTSTRAP) requirements.txt $@
	@"$(IN)" -m launcher serve

test:
	$(BOOTSTRAP) requirements-dev.txt $@
	@"$(IN)" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=20 $(ARGS)

bench:
	$(BOOTSTRAP) requirements-dev.txt $@
	@"$(IN)" -m bench $(ARGS)

pictures:
	$(BOOTSTRAP) requirements-dev.txt $@
	@"$(IN)" -m docs.pictures.take

lint:
	$(BOOTSTRAP) requirements-dev.txt $@
	@"$(IN)" -m ruff check .
	@"$(IN)" -m ruff format --check .

format:
	$(BOOTSTRAP) requirements-dev.txt $@
	@"$(IN)" -m ruff check --fix .
	@"$(IN)" -m ruff format .
