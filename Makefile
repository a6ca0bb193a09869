# make demo: set up the performer's install and show the main job. make test: set up everything and test.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint bench soak hosts plugin evaluate-lyrics evaluate-verse clean

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
	$(BIN)/rnnmuse demo

test: .stamp-dev
	$(BIN)/python -m pytest

lint: .stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .stamp-dev
	$(BIN)/python tests/bench.py
	$(BIN)/python tests/web/bench.py

soak: .stamp-dev
	$(BIN)/python tests/soak.py

hosts: .stamp-dev
	RNNMUSE_HOSTS=all $(BIN)/python -m pytest tests/hosts; tests=$$?; $(BIN)/python tests/hosts/soak.py && exit $$tests

# the plugin, as LV2, VST3 and CLAP, into out/plugin: with g++, dpf-source and, for Windows, g++-mingw-w64-x86-64-posix
plugin:
	$(MAKE) -C bridges/plugin
	if command -v x86_64-w64-mingw32-g++ >/dev/null; then $(MAKE) -C bridges/plugin WINDOWS=1; fi

# SONGS: folders of scores with English words; TEXT: the file that the model learned from
evaluate-lyrics: .stamp-dev
	$(BIN)/python tests/evaluate_lyrics.py $(SONGS)

evaluate-verse: .stamp-dev
	$(BIN)/python tests/evaluate_verse.py $(TEXT)

clean:
	rm -rf $(VENV) .stamp-* out build dist
