# `make demo`, `make page` and `make test` need a bare machine with Python 3.11 or newer, and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
CORE := $(addprefix tests/,program cells engines nn data training)
ARM_ROOT := /var/lib/ricorda-arm64
SAMPLES := src/ricorda/samples

.DELETE_ON_ERROR:
.PHONY: demo page test test-lowest test-arm lint check-real bench docs clean

demo: $(VENV)/installed  ## train, evaluate and use a classifier of film reviews
	$(BIN)/ricorda train classify $(SAMPLES)/reviews.csv --tokenizer word --min-frequency 2 --out demo/model --overwrite
	$(BIN)/ricorda evaluate demo/model $(SAMPLES)/reviews_test.csv --by language
	$(BIN)/ricorda predict demo/model \
	  "I lost the first five minutes, yet I loved it to the end." \
	  "Attori bravissimi, ma la trama non si sveglia mai: una delusione."

page: $(VENV)/installed-page  ## a page in the browser: look into cells and models, train, compare  (ARGS="model --no-open")
	$(BIN)/ricorda page $(ARGS)

test: $(VENV)/installed-dev  ## all tests: about half an hour on two cores
	$(BIN)/python -m pytest -n auto

test-lowest: $(LOWEST)/installed  ## the core tests with the lowest versions of pyproject.toml, for PYTHON=python3.11
	$(LOWEST)/bin/python -m pytest -n auto -W ignore::DeprecationWarning $(CORE)

test-arm:  ## tests of the engines on an ARM processor that QEMU plays, in ARM_ROOT; CONTRIBUTING.md says how it is made
	sh tests/arm.sh $(ARM_ROOT) $(ARGS)

lint: $(VENV)/installed-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-real: $(VENV)/installed-dev  ## every task on published data, in ../shared/data or DATA=...  (ARGS="--only tag forecast")
	$(BIN)/python benchmarks/check_real.py $(if $(DATA),--data $(DATA)) $(ARGS)

bench: $(VENV)/installed-bench  ## speed and memory beside torch.nn, JAX, ONNX Runtime, torchrecurrent (ARGS=--quick)
	$(BIN)/python benchmarks/bench.py --out build/bench $(ARGS)

docs: $(VENV)/installed  ## make the pages on cells and the pictures of docs/ anew, from models trained on the sample reviews
	$(BIN)/python docs/cells/pages.py
	for script in docs/pictures/*.py; do $(BIN)/python $$script || exit 1; done

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-page: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[page]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(LOWEST)/installed: pyproject.toml tests/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python tests/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/lowest.txt --editable . hypothesis pytest pytest-xdist
	touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) demo check-real build dist
