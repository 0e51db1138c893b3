# Each target makes the virtual environment it needs, once. PYTHON picks the interpreter (3.11 or newer).
PYTHON ?= python3
BIN = .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Two cores spin at each other when every library starts two threads of its own.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test lint compat lock clean

demo: .venv/demo
	$(BIN)/tang-rnn demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/dev node_modules/.package-lock.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	npm run --silent lint

# What lints the page's scripts; the page itself needs none of it.
node_modules/.package-lock.json: package.json package-lock.json
	npm ci --silent --no-audit --no-fund

# Both ends of the declared versions, each in an environment of its own: see tests/compat/environments.py.
compat: .venv/dev
	$(BIN)/python tests/compat/environments.py

# All by its hash but torch, which is another build on each machine: requirements/lock.py says more.
.venv/demo: LOCKS = build demo
.venv/dev: LOCKS = build demo dev
.venv/demo .venv/dev: pyproject.toml constraints.txt $(wildcard requirements/*.txt) tang_rnn_command.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --require-hashes --no-deps $(LOCKS:%=-r requirements/%.txt)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	touch $@

# The versions and hashes anew, by the pinned uv; the next make installs them.
lock: .venv/dev
	$(BIN)/python requirements/lock.py

clean:
	rm -rf .venv .cache build dist node_modules
