PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# In seconds, uv installs what takes pip minutes. `make run` needs pip alone. PIP_FIND_LINKS has a build of torch for CPU.
uv_install = UV_FIND_LINKS="$$PIP_FIND_LINKS" $(1)/uv pip install --quiet --python $(1)/python

# Where `make test-pythons` runs: each Python that setup.py declares.
PYTHONS ?= python3.10 python3.11 python3.12 python3.13

# PYTEST_OPTIONS='-x -k name' are options of pytest for all targets that start it. PYTEST_ADDOPTS would also change the
# runs of pytest that tests start.
PYTEST_OPTIONS ?=

SOAK_SECONDS ?= 180

# FUZZ_SEED=7 runs what was run before; FUZZ_SEED=7/123, as it is printed on a failure, one stream alone.
FUZZ_SECONDS ?= 60
FUZZ_SEED ?=

# MUTATE=settings mutates the files of that name alone; MUTATE_SEED=7 draws what was drawn before.
MUTATE_SECONDS ?= 600
MUTATE_SEED ?=
MUTATE ?=

# One of benchmarks/questions.py, or several; all where it is empty.
BENCH ?=
BENCH_ROUNDS ?= 5

# The tests against the real LMCache have an environment of their own: torch alone is a gigabyte,
# so it outlives the checkout.
LMCACHE_PYTHON ?= python3.11
LMCACHE_VERSIONS ?= 0.5.7rc2 0.5.6 0.4.7 0.3.15
# The one that is measured, and that the documents are run with.
LMCACHE_RELEASE ?= 0.5.6
LMCACHE_MP_OLDER ?= 0.5.3
LMCACHE_VENV ?= $(HOME)/.cache/lmcache-internal/venv
LMCACHE_BIN := $(LMCACHE_VENV)/bin

# So has a vLLM with LMCache in it, on CPU: 2.3 GB.
VLLM_PYTHON ?= python3.11
VLLM_VENV ?= $(HOME)/.cache/lmcache-internal/vllm
VLLM_BIN := $(VLLM_VENV)/bin

# Many images set it. Then each run compiles the tests, and each program that a test starts compiles the package.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-pythons test-faults test-programs test-docs test-ui test-lmcache test-mp-older test-vllm test-benchmarks soak screenshots \
    fuzz-wire mutate bench ablation check docs dashboards site man format release clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: $(VENV)/.run  ## Serve a scheduler (6999) and a worker (7000) on the embedded engine
	$(BIN)/python example_app.py

# The plugin of schemathesis takes half a second to import, and only the fuzz tests need it.
test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) -p no:schemathesis

test-pythons:  ## Run the tests in development mode on each of PYTHONS that is installed
	set -e; for python in $(PYTHONS); do \
	    version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
	        || { echo "== no $$python here"; continue; }; \
	    echo "== Python $$version"; \
	    $(MAKE) VENV=.venv-$$version PYTHON=$$python .venv-$$version/.dev; \
	    .venv-$$version/bin/python -X dev -m pytest $(PYTEST_OPTIONS) -p no:cacheprovider; \
	    .venv-$$version/bin/python -X dev -m pytest $(PYTEST_OPTIONS) -p no:cacheprovider $(IMPORTS); \
	done

# Each test starts a Python with other import hooks, packages or loggers.
IMPORTS := tests/integrations/test_lmcache.py tests/integrations/test_lmcache_logging.py tests/integrations/test_mp_fallback.py

# Bounds of time, and properties of every route: they take long, or need a quiet machine.
SLOW := tests/test_bad_input.py tests/test_linear_time.py tests/security/test_secrets.py tests/serving/test_bytewise.py \
    tests/serving/test_connection_timeouts.py \
    tests/serving/test_cpu_budget.py tests/serving/test_not_http.py tests/serving/test_pipelining.py \
    tests/blueprints/test_run_script_limit.py tests/blueprints/test_mp_faults.py tests/test_fuzz.py

# Property tests, random sequences of changes, races, leaks: with THOROUGH, they try all examples; in the ordinary run, a fifth.
PROPERTIES := tests/blueprints/test_conf_fresh.py tests/blueprints/test_conf_values.py tests/blueprints/test_mp_explain_api.py \
    tests/diagnostics/test_explain_agrees.py tests/engine/test_cache_engine.py tests/metrics/test_encoding.py \
    tests/metrics/test_renderer.py tests/redaction tests/security/test_access.py tests/test_server.py tests/test_suggestions.py

test-faults: $(VENV)/.dev  ## Run the slow suites: hostile clients, full disks, killed processes, bounds of time
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/faults $(SLOW)
	THOROUGH=1 $(BIN)/python -m pytest $(PYTEST_OPTIONS) $(PROPERTIES)

PROGRAMS := tests/cli tests/wsgi tests/test_testing.py tests/test_prometheus.py tests/test_page_plugin.py \
    tests/security/test_chromium.py tests/blueprints/test_docs_api.py tests/observability tests/release tests/website tests/deploy \
    tests/docs/test_session.py tests/docs/test_reader.py tests/test_walkthrough.py $(IMPORTS)

test-programs: $(VENV)/.release $(VENV)/.site  ## Run the tests that start other programs: fleets, WSGI servers, Prometheus, browsers
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(PROGRAMS)

UI := tests/ui
UI_BIN := $(UI)/node_modules/.bin

test-ui: $(VENV)/.dev $(UI)/node_modules/.made  ## Check and test the dashboard: its JavaScript with node, its pages in Chromium
	$(UI_BIN)/prettier --check --config $(UI)/.prettierrc.json lmcache_internal/ui/types.d.ts 'lmcache_internal/ui/assets/**/*.{js,css}' '$(UI)/*.js'
	$(UI_BIN)/eslint --config $(UI)/eslint.config.js lmcache_internal/ui/assets
	$(UI_BIN)/tsc --project $(UI)/tsconfig.json
	node --test $(UI)/
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/ui

screenshots: $(VENV)/.dev  ## Write screenshots of each view of the dashboard and of a fleet to build/screenshots
	$(BIN)/python -m tests.ui.screenshots

test-docs: $(VENV)/.dev  ## Run every block of the documents, as a reader would
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/docs/test_documents.py

soak: $(VENV)/.dev  ## Soak a server in mixed traffic at full speed; its memory must stay flat
	$(BIN)/python -m tests.faults.soak --seconds $(SOAK_SECONDS)

fuzz-wire: $(VENV)/.dev  ## Send random valid and broken requests to the server and to plain waitress; both must agree
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m tests.fuzz_wire

mutate: $(VENV)/.mutation  ## Break the code in random places; the tests must notice nine of ten
	MUTATE_SECONDS=$(MUTATE_SECONDS) MUTATE_SEED=$(MUTATE_SEED) MUTATE=$(MUTATE) $(BIN)/python -m tests.mutation

# LMCache and torch warn of themselves: warnings are no errors there.
test-lmcache: $(LMCACHE_VENV)/.made  ## Run the tests against the real LMCache, on CPU, version by version
	set -e; for version in $(LMCACHE_VERSIONS); do \
	    echo "== LMCache $$version"; \
	    $(LMCACHE_BIN)/pip install --quiet --no-deps lmcache==$$version; \
	    $(LMCACHE_BIN)/python -m pytest $(PYTEST_OPTIONS) -W default -p no:cacheprovider tests/lmcache tests/conformance \
	        --ignore tests/lmcache/test_benchmarks.py; \
	    $(LMCACHE_BIN)/python -m tests.lmcache.upstream; \
	done
	@echo "== The documents, with LMCache $(LMCACHE_RELEASE)"
	$(LMCACHE_BIN)/pip install --quiet --no-deps lmcache==$(LMCACHE_RELEASE)
	$(LMCACHE_BIN)/python -m pytest $(PYTEST_OPTIONS) -W default -p no:cacheprovider \
	    tests/docs/test_documents.py -k 'lmcache.md or plugins.md or wsgi.md'

# A copy of an older LMCache before the installed one on the path: no version of the environment changes.
test-mp-older: $(LMCACHE_VENV)/.made  ## Test the MP server with an older LMCache, in half a minute
	$(LMCACHE_BIN)/pip install --quiet --no-deps --upgrade --target $(LMCACHE_VENV)/older lmcache==$(LMCACHE_MP_OLDER)
	PYTHONPATH=$(LMCACHE_VENV)/older $(LMCACHE_BIN)/python -m pytest $(PYTEST_OPTIONS) -W default -p no:cacheprovider \
	    tests/lmcache/test_mp_older.py

test-vllm: $(VENV)/.dev $(VLLM_VENV)/.made  ## Run the tests inside a real vLLM with LMCache, on CPU
	$(call uv_install,$(VLLM_BIN)) --no-deps --editable . --editable tests/vllm/connector
	VLLM_VENV=$(VLLM_VENV) $(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/vllm

test-benchmarks: $(LMCACHE_VENV)/.made  ## Run each benchmark once, very briefly, to see that it still works
	$(LMCACHE_BIN)/pip install --quiet --no-deps lmcache==$(LMCACHE_RELEASE)
	$(LMCACHE_BIN)/python -m pytest $(PYTEST_OPTIONS) -W default -p no:cacheprovider tests/lmcache/test_benchmarks.py

bench: $(LMCACHE_VENV)/.made  ## Measure this server beside LMCache's own; BENCH=throughput asks one question
	$(LMCACHE_BIN)/pip install --quiet --no-deps lmcache==$(LMCACHE_RELEASE)
	$(LMCACHE_BIN)/python -m benchmarks --rounds $(BENCH_ROUNDS) $(BENCH)

ablation: $(LMCACHE_VENV)/.made  ## Measure this server with and without each part that only makes it faster
	$(LMCACHE_BIN)/pip install --quiet --no-deps lmcache==$(LMCACHE_RELEASE)
	$(LMCACHE_BIN)/python -m benchmarks.ablation

docs: $(VENV)/.dev  ## Print the documents that are made of code
	$(BIN)/python -m tests.conformance.differences > docs/differences.md
	$(BIN)/python -m tests.docs.endpoints > docs/endpoints.md
	$(BIN)/python -m tests.docs.settings > docs/settings.md
	$(BIN)/python -m tests.docs.runbook > docs/runbook.md
	$(BIN)/python -m benchmarks.document

site: $(VENV)/.site  ## Build the documentation site into build/site/html; warnings are errors
	$(BIN)/python -m website build/site
	$(BIN)/zensical build --strict --config-file build/site/mkdocs.yml

man: $(VENV)/.site  ## Write the manual pages of all commands into build/man
	$(BIN)/python -m website.man build/man

dashboards: $(VENV)/.dev  ## Write the Grafana dashboards that are made of code
	$(BIN)/python -m deploy.grafana.source deploy/grafana/dashboards

check: $(VENV)/.dev  ## Check format, lint, types and the directions of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

release: $(VENV)/.release  ## Build the last commit into dist/: sdist, wheel, SBOM, SHA-256 sums
	$(BIN)/python -m release

clean:  ## Remove what the other targets made
	rm -rf .venv* .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.run: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[cli,docs]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet uv
	$(call uv_install,$(BIN)) --editable '.[dev]'
	touch $@

$(VENV)/.release: $(VENV)/.dev
	$(call uv_install,$(BIN)) --editable '.[release]'
	touch $@

$(VENV)/.site: $(VENV)/.dev
	$(call uv_install,$(BIN)) --editable '.[site]'
	touch $@

$(UI)/node_modules/.made: $(UI)/package.json
	cd $(UI) && npm install --no-progress --silent
	touch $@

$(VENV)/.mutation: $(VENV)/.dev
	$(call uv_install,$(BIN)) --editable '.[mutation]'
	touch $@

$(LMCACHE_VENV)/.made: tests/lmcache/requirements.txt
	$(LMCACHE_PYTHON) -m venv --clear $(LMCACHE_VENV)
	$(LMCACHE_BIN)/pip install --quiet uv
	$(call uv_install,$(LMCACHE_BIN)) --requirement tests/lmcache/requirements.txt
	touch $@

$(VLLM_VENV)/.made: tests/vllm/requirements.txt tests/vllm/overrides.txt tests/vllm/shim/pyproject.toml
	$(VLLM_PYTHON) -m venv --clear $(VLLM_VENV)
	$(VLLM_BIN)/pip install --quiet uv
	$(call uv_install,$(VLLM_BIN)) --override tests/vllm/overrides.txt --requirement tests/vllm/requirements.txt
	$(call uv_install,$(VLLM_BIN)) --no-deps tests/vllm/shim
	touch $@
