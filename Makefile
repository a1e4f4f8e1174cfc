# Needs Python 3.11 or newer and make, nothing else; every target works from a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOL := PYTHONPATH=tools:tests $(BIN)/python -m
# openapi-python-client for the tests, apart from the rest because it wants an older typer
GENERATOR := $(VENV)/client-generator
GENERATOR_PINS := tests/e2e/client-generator.txt
REDOCLY := @redocly/cli@2.77.0
SPECTRAL := @stoplight/spectral-cli@6.16.3

# ARGS="--port 9000" for serve, bench, overload, fuzz and soak; PYTEST_FLAGS="-k name" or "-n 0" for test
ARGS ?=
PYTEST_FLAGS ?= -n 4 --dist worksteal

.PHONY: help install serve test check lint-openapi format bench bench-list overload fuzz soak drill long docs clean

help:
	@echo "make serve    run the service on an SQLite database in this folder"
	@echo "make test     run the tests, on SQLite and on a PostgreSQL they start themselves"
	@echo "make check    formatting, lint and types"
	@echo "make lint-openapi  what redocly and spectral say of the OpenAPI document; needs npx, from Node.js"
	@echo "make format   put the formatting right"
	@echo "make bench    measure how many notices a second are taken in"
	@echo "make bench-list  measure the lists with 1,000,000 rows on SQLite and 10,000,000 on PostgreSQL; ROWS=200000 for fewer"
	@echo "make overload ask more of the service than it can do, and see that it refuses politely and loses nothing"
	@echo "make fuzz     attack running services with 2,000 requests an operation, and print what came of it as a table"
	@echo "make soak     kill workers while payments fall due, then API processes and PostgreSQL, and compare the books"
	@echo "make drill    back up, restore, rotate, upgrade, replay and erase while notices come in, on both databases"
	@echo "make long     a short form of drill, soak, overload and fuzz, one after the other, as CI runs it"
	@echo "make docs     write the tables of docs/reference/ from the code"
	@echo "make install  make $(VENV) with $(BIN)/dunning"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt $(GENERATOR_PINS)
	@for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        exec "$$candidate" -m venv $(VENV); \
	    fi; \
	done; \
	echo "Python 3.11 or newer is needed and $(PYTHON) is not: install one, or say make PYTHON=/path/to/python" >&2; \
	exit 1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m venv --without-pip $(GENERATOR)
	$(BIN)/python -m pip --python $(GENERATOR)/bin/python install --quiet --disable-pip-version-check \
	    --requirement $(GENERATOR_PINS)
	@touch $@

serve: $(STAMP)
	@exec $(BIN)/dunning serve --with-worker $(ARGS)

# compiled once and not again by each of the processes that the tests start, whatever the environment says
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)
	$(BIN)/pytest $(PYTEST_FLAGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

lint-openapi: $(STAMP)
	@command -v npx >/dev/null || { echo "npx is needed for redocly and spectral: install Node.js 20 or newer" >&2; exit 1; }
	$(BIN)/python tests/openapi_file.py $(VENV)/openapi.json
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npx --yes $(REDOCLY) lint $(VENV)/openapi.json
	npx --yes $(SPECTRAL) lint --ruleset tests/spectral.yaml $(VENV)/openapi.json

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(TOOL) bench $(ARGS)

bench-list: $(STAMP)
	$(TOOL) bench.listing $(if $(ROWS),--rows $(ROWS)) $(ARGS)

overload: $(STAMP)
	$(TOOL) overload $(ARGS)

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz $(ARGS)

soak: $(STAMP)
	$(TOOL) soak $(ARGS)

drill: $(STAMP)
	$(TOOL) drill $(ARGS)

# what has proved steady of each, in a few minutes
long: $(STAMP)
	$(TOOL) drill --notices 200
	$(TOOL) soak --only workers --payments 300 --seconds 180
	$(TOOL) soak --only kills --rounds 10
	$(TOOL) overload --scale 0.05 --setup sqlite --setup postgresql-2 \
	    --drill full-queue --drill burst --drill slow --drill idle
	$(BIN)/python tests/fuzz --examples 100

docs: $(STAMP)
	$(TOOL) reference

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
