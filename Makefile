# make demo: set up the performer's install and show the main job. make test: set up everything and test.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

.stamp-play: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

.stamp-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet torch -c constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[train,dev]'
	touch $@ .stamp-play

demo: .stamp-play
	$(BIN)/python examples/01_read_and_write.py

test: .stamp-dev
	$(BIN)/python -m pytest

lint: .stamp-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .stamp-* out build dist
