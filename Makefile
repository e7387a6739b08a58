# `make check` is exactly what CI runs; the other targets are parts of it, on the environment in .venv.
PY ?= .venv/bin/python

.PHONY: nightly check lint types imports test drill breakages nspawn container bench docs lock format

check:
	./deploy.sh test

lint:
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types:
	$(PY) -m mypy

imports:
	.venv/bin/lint-imports

test:
	$(PY) -m pytest -n 4

# Tests that take minutes: two copies of the service over the wire, and what happens when one dies or sleeps. Then the
# laws on examples that nobody has tried yet; `test` tries the same ones each time.
nightly:
	$(PY) -m pytest -m nightly -n 2
	HYPOTHESIS_PROFILE=searching $(PY) -m pytest -n 2 tests/unit tests/contract tests/session

# Kills a session at every step over the real wire and writes docs/reliability-kill-points.md; for the night.
drill:
	$(PY) -m tests.drills.kill_drill

# The service in a Debian that is really booted: install, kills, watchdog, reboot, upgrades, going back; needs root.
nspawn:
	$(PY) -m tests.deploy.nspawn_drill

# The image, really built and run with a Docker engine: confined, frozen, killed, stopped; five minutes.
container:
	$(PY) -m tests.deploy.container_drill

# Ten thousand stories of sessions, each checked against the promises of docs/reliability.md; 500 others are part of `test`.
SEEDS ?= 0:10000
simulate:
	$(PY) -m robotrading.wiring.drills.simulate --seeds $(SEEDS) --jobs 2

# The program broken on purpose, one rule at a time, until a story notices; writes docs/reliability-breakages.md.
breakages:
	$(PY) -m tests.drills.breakages

# Every fault drill on the configuration in force, with real processes over the real wire; two to three minutes.
.PHONY: nightly selftest
selftest:
	$(PY) -m robotrading selftest

bench:
	$(PY) -m pytest benchmarks/bench_*.py
	$(PY) benchmarks/bench_gateway.py

docs:
	$(PY) -m robotrading.config.document
	$(PY) -m robotrading.cli.document

format:
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# Pins for Python 3.11 to 3.13 in one file; needs uv. The tools are installed beside either library of the broker,
# which pin their own tzdata: ib_async wants an older one.
UV = uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock"
lock:
	$(UV) requirements.in -o requirements.txt
	$(UV) requirements-dev.in --no-emit-package tzdata -o requirements-dev.txt
	sed 's/^ib_insync$$/ib_async/' requirements.in | $(UV) - -o requirements-async.txt
