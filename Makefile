# make run     the market maker on paper: no key, no account, nothing to set up
# make demo    everything up and verified: by compose where an engine answers, else as processes (ARGS=--stay)
# make test    everything: format, lint, types, import contracts, unit, property, scenario, integration
# make install the virtual environment and the package, nothing started
# make sdk     the virtual environment of Coinbase's SDK, a client in the tests; part of make test
# make prometheus  prometheus and promtool, from Debian's package, not installed; part of make test
# make bench   benchmarks, one JSON line each
# make test-compiled   the tests of the core and the matching core, on the compiled core that a wheel holds
# make chaos   the bot killed some hundred times, its books proved each time: KILLS=500 SEED=1;
#              then its actors, at random, for MINUTES=10 of trading, and each one hung
# make reloads the configuration reloaded a thousand times while trading, well and badly: RELOADS=1000 SEED=1
# make soup    minutes of all faults at once, from several seeds: SEEDS=1,2,3 SECONDS=60
# make image-check   the container image built without a network or an engine, and the bot run in it (root, buildah, debootstrap)
# make lock    pin what the container image is built with to what is installed here
# make fmt     format the code

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SDK_VENV := .venv-sdk
SDK_STAMP := $(SDK_VENV)/.installed
PROMETHEUS := .tools/prometheus
SOURCES := quietmaker actors supervisors tests bench deploy setup.py
ARGS ?=
SEEDS ?= 1,2,3,4,5,6
SECONDS ?= 60
KILLS ?= 500
RELOADS ?= 1000
MINUTES ?= 10
SEED ?= 1

.PHONY: run demo test test-compiled chaos reloads soup install sdk prometheus lint bench image-check lock fmt docs clean

run: install
	@$(BIN)/quietmaker run $(ARGS)

demo: install
	@deploy/demo.sh $(ARGS)

install: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "error: $(PYTHON) cannot make a virtual environment; install its venv module (Debian: python3-venv)" >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: Python 3.11 or newer is needed; set PYTHON=..., remove $(VENV) and try again" >&2; exit 1; }
	@echo "installing into $(VENV) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

lint: install
	$(BIN)/ruff format --check --quiet $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --config setup.cfg --no-logo

# The SDK needs older libraries than ours, so it is installed apart. An interrupted start is begun again.
sdk: $(SDK_STAMP)

$(SDK_STAMP): tests/integration/sdk/requirements.txt
	@echo "installing Coinbase's SDK into $(SDK_VENV) ..." >&2
	@$(PYTHON) -m venv --clear $(SDK_VENV)
	@$(SDK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Without it the tests of the alerts are skipped, and a skipped test fails in CI.
prometheus: $(PROMETHEUS)/promtool

$(PROMETHEUS)/promtool: deploy/prometheus/fetch
	@echo "fetching Prometheus into $(PROMETHEUS) ..." >&2
	@deploy/prometheus/fetch $(PROMETHEUS) || echo "the tests of the alerts will be skipped" >&2

test: lint sdk prometheus
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

test-compiled: install
	$(BIN)/python -m tests.kit.on_compiled $(ARGS)

chaos: install
	@$(BIN)/python -m tests.chaos.kill --kills $(KILLS) --seed $(SEED)
	@$(BIN)/python -m tests.chaos.actors --minutes $(MINUTES) --seed $(SEED)

reloads: install
	@$(BIN)/python -m tests.chaos.reload_storm --reloads $(RELOADS) --seed $(SEED)

soup: install
	QUIETMAKER_CHAOS_SEEDS=$(SEEDS) QUIETMAKER_CHAOS_SECONDS=$(SECONDS) \
		$(BIN)/python -m pytest -n 2 --dist worksteal tests/chaos/test_soup.py

bench: install
	@$(BIN)/python -m bench.replay && $(BIN)/python -m bench.replay --interpreted
	@for each in ledger ledger_recovery ledger_filter calibrate filter wire control start scrape; do $(BIN)/python -m bench.$$each || exit 1; done

fmt: install
	$(BIN)/ruff check --quiet --fix $(SOURCES) || true
	$(BIN)/ruff format --quiet $(SOURCES)

image-check:
	@PYTHON=$(PYTHON) deploy/image-check.sh

lock: install
	@$(BIN)/python -m tests.kit.constraints

docs: install
	$(BIN)/python -m quietmaker.settings.docs
	$(BIN)/python -m supervisors.docs
	$(BIN)/python -m quietmaker.telemetry.docs
	$(BIN)/python -m deploy.dashboards

clean:
	rm -rf .tools $(VENV) $(SDK_VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
