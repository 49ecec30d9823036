# make run: everything on this machine, with demo data and the sandbox. make serve: a real installation.
PYTHON ?= python3
VENV ?= .venv
.PHONY: help run run-busy serve test test-all bench chaos pictures lint format messages lock

IN := $(VENV)/bin/python
define BOOTSTRAP
@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) on this machine. Desk needs Python 3.11 or newer; choose one with: make $@ PYTHON=/path/to/python3.11" >&2; exit 1; }
@"$(PYTHON)" launcher/bootstrap.py "$(VENV)"
endef
# For every Python and platform at once, from PyPI or a mirror of it (UV_DEFAULT_INDEX), without other package sources.
LOCK = @env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_CONSTRAINT -u UV_OVERRIDE \
	"$(IN)" -m uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"

help:
	@echo "make run       start Desk on this machine, with demo data and the sandbox that stands in for Meta"
	@echo "make run-busy  the same with a busy desk: 12 agents, 40,000 conversations"
	@echo "make serve     start a real installation: web and worker, settings from the environment"
	@echo "make test      run the test suite without its slow tests; ARGS=FOLDER runs all of a folder"
	@echo "make test-all  run the whole test suite"
	@echo "make bench     measure the speed beside its goals; ARGS=--quick only shows that it works"
	@echo "make chaos     kill processes and disturb Meta at random, and count what is wrong"
	@echo "make pictures  take the README's pictures again"
	@echo "make lint      check style, types, formatting and the import rules"
	@echo "make format    correct style and formatting"
	@echo "make messages  collect the texts of the screens into locale/ and compile them; needs GNU gettext"
	@echo "make lock      write the lock files after a change in requirements*.txt; ARGS=--upgrade takes newer packages"

run:
	$(BOOTSTRAP) requirements.lock $@
	@exec "$(IN)" -m launcher run

run-busy:
	$(BOOTSTRAP) requirements.lock $@
	@exec "$(IN)" -m launcher run --busy

serve:
	$(BOOTSTRAP) requirements.lock $@
	@exec "$(IN)" -m launcher serve

PYTEST = @env -u PYTHONDONTWRITEBYTECODE "$(IN)" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=20
test:
	$(BOOTSTRAP) requirements-dev.lock $@
	$(PYTEST) $(or $(ARGS),-m "not slow")

test-all:
	$(BOOTSTRAP) requirements-dev.lock $@
	$(PYTEST) $(ARGS)

bench:
	$(BOOTSTRAP) requirements-dev.lock $@
	@"$(IN)" -m bench $(ARGS)

chaos:
	$(BOOTSTRAP) requirements-dev.lock $@
	@"$(IN)" -m chaos $(ARGS)

pictures:
	$(BOOTSTRAP) requirements-dev.lock $@
	@"$(IN)" -m docs.pictures.take

lint:
	$(BOOTSTRAP) requirements-dev.lock $@
	@"$(IN)" -m ruff check .
	@"$(IN)" -m ruff format --check .
	@"$(IN)" -m mypy --no-error-summary
	@"$(VENV)/bin/djangofmt" --check templates && "$(VENV)/bin/djangofmt" check templates
	@"$(VENV)/bin/djangofmt" --check --profile jinja sandbox/templates
	@"$(VENV)/bin/biome" check --error-on-warnings
	@"$(IN)" -m pytest -q -p no:cacheprovider tests/test_imports.py tests/test_templates.py

format:
	$(BOOTSTRAP) requirements-dev.lock $@
	@"$(IN)" -m ruff check --fix .
	@"$(IN)" -m ruff format .
	@"$(VENV)/bin/djangofmt" check --fix templates && "$(VENV)/bin/djangofmt" templates
	@"$(VENV)/bin/djangofmt" --profile jinja sandbox/templates
	@"$(VENV)/bin/biome" check --write

# No line numbers and no wrapping: a change of one text changes one place of a catalogue.
MESSAGES = "$(IN)" -m django makemessages --all --add-location=file --no-wrap --no-obsolete
messages:
	$(BOOTSTRAP) requirements-dev.lock $@
	@DJANGO_SETTINGS_MODULE=tests.settings $(MESSAGES) --ignore=sandbox/* --ignore=tests/* --ignore=static/vendor/*
	@DJANGO_SETTINGS_MODULE=tests.settings $(MESSAGES) --domain=djangojs --ignore=sandbox/* --ignore=tests/*
	@DJANGO_SETTINGS_MODULE=tests.settings "$(IN)" -m django compilemessages --verbosity=0

lock:
	$(BOOTSTRAP) requirements-dev.lock $@
	$(LOCK) $(ARGS) requirements.txt -o requirements.lock
	$(LOCK) $(ARGS) requirements-dev.txt -c requirements.lock -o requirements-dev.lock
