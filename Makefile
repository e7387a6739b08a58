# Every target works on the environment in .venv; `make check` is exactly what CI runs.
PY ?= .venv/bin/python

.PHONY: check lint types imports test cover bench lock format

check: lint types imports cover

lint:
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types:
	$(PY) -m mypy

imports:
	$(PY) -c "from importlinter.cli import lint_imports_command as c; c()"

test:
	$(PY) -m pytest -n 2

format:
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# Pins for Python 3.11 to 3.13 in one file; needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock" requirements.in -o requirements.txt
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
