# make demo: set up the performer's install and show the main job. make test: set up everything and test.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint bench sessions soak fuzz kills trust hosts plugin kernel wheel install-test sbom program docs release evaluate-lyrics evaluate-verse clean

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

# in two processes, each on one thread
test: .stamp-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

lint: .stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .stamp-dev
	$(BIN)/python tests/bench.py
	$(BIN)/python tests/web/bench.py

# one engine with 1 to 64 sessions: lateness, memory, processor, a flood; out/sessions.json and out/sessions.png
sessions: .stamp-dev
	$(BIN)/python tests/bench_sessions.py

# this checkout beside BASE, in turn: fails where it is slower beyond noise; out/bench holds the history and its picture
bench-check: .stamp-dev
	$(BIN)/python tests/bench_pairs.py --base $(or $(BASE),HEAD~1)

# beside notochord and IMPSY, which it installs into build/peers (3 GB)
bench-peers: .stamp-dev
	$(BIN)/python tests/bench_peers.py

soak: .stamp-dev
	$(BIN)/python tests/soak.py

# damaged files of every kind, and the slowest of them through every command; an hour on one core
fuzz: .stamp-dev
	$(BIN)/python tests/fuzz.py all --seconds 20
	for kind in "midi 2000" "musicxml 500" "mxl 500" "abc 500" "kern 500"; do $(BIN)/python tests/fuzz_files.py read $$kind || exit 1; done
	$(BIN)/python tests/fuzz_files.py commands 100

# what docs/trust.md promises, as a table; SHARE=0.01 for a hundredth
trust: .stamp-dev
	$(BIN)/python tests/trust.py --share $(or $(SHARE),1)

kills: .stamp-dev
	$(BIN)/python tests/kills.py 1000

hosts: .stamp-dev
	RNNMUSE_HOSTS=all $(BIN)/python -m pytest tests/hosts; tests=$$?; $(BIN)/python tests/hosts/soak.py && exit $$tests

# the plugin, as LV2, VST3 and CLAP, into out/plugin: with g++, dpf-source and, for Windows, g++-mingw-w64-x86-64-posix
plugin:
	$(MAKE) -C bridges/plugin
	if command -v x86_64-w64-mingw32-g++ >/dev/null; then $(MAKE) -C bridges/plugin WINDOWS=1; fi

# the compiled kernel of the stream model, which rnnmuse uses where it is: with gcc and, for Windows, mingw-w64
KERNEL = rnnmuse/models/stream-kernel
KERNEL_FLAGS = -O3 -std=gnu11 -fno-math-errno -fno-trapping-math -Wall -Wextra -Wno-psabi -shared -fvisibility=hidden
kernel: $(KERNEL).so
	if command -v x86_64-w64-mingw32-gcc >/dev/null; then $(MAKE) $(KERNEL).dll; fi

$(KERNEL).so: kernel/kernel.c kernel/event.h
	$(CC) $(KERNEL_FLAGS) -fPIC -o $@ kernel/kernel.c -lm

# on Windows gcc aligns the stack to 16 bytes only, whatever it assumes of the vectors there (its bug 54412)
$(KERNEL).dll: kernel/kernel.c kernel/event.h
	x86_64-w64-mingw32-gcc $(KERNEL_FLAGS) -Wa,-muse-unaligned-vector-move -o $@ kernel/kernel.c -static-libgcc

# The packages of a release: dist/. install-test installs the wheel in a fresh environment and tries what a newcomer does.
wheel: .stamp-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

install-test: wheel
	$(BIN)/python .ci/fresh.py dist
	RNNMUSE_NETWORK=1 $(BIN)/python -m pytest -q tests/test_wheels.py

# What an installation consists of, as CycloneDX: dist/sbom.cdx.json
sbom:
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/pip install --quiet "$$(ls dist/*-any.whl)[live]"
	$(BIN)/pip install --quiet cyclonedx-bom
	$(BIN)/cyclonedx-py environment build/sbom/bin/python --pyproject pyproject.toml --of JSON -o dist/sbom.cdx.json

# The program for people without Python: dist/rnnmuse
program: wheel
	$(PYTHON) -m venv build/program
	build/program/bin/pip install --quiet "$$(ls dist/*-any.whl)[live]" pyinstaller
	build/program/bin/pyinstaller --noconfirm --workpath build/pyinstaller .ci/program.spec
	cd build && ../dist/rnnmuse try --no-sound

docs: .stamp-dev
	$(BIN)/python -m mkdocs build --strict

release: .stamp-dev
	$(BIN)/pip install --quiet twine wheel
	PYTHON=$(BIN)/python .ci/release

plugin-zip: plugin
	for system in linux windows macos; do if [ -d out/plugin/$$system ]; then \
	  cp bridges/plugin/release.md out/plugin/$$system/README.md && \
	  (cd out/plugin/$$system && rm -f ../rnnmuse-plugin-$$system.zip && zip -qr ../rnnmuse-plugin-$$system.zip . -x .built); fi; done

# SONGS: folders of scores with English words; TEXT: the file that the model learned from
evaluate-lyrics: .stamp-dev
	$(BIN)/python tests/evaluate_lyrics.py $(SONGS)

evaluate-verse: .stamp-dev
	$(BIN)/python tests/evaluate_verse.py $(TEXT)

clean:
	rm -rf $(VENV) .stamp-* out build dist
