PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests also wait for the database and for browsers: a worker for each of two cores is too few.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS = --numprocesses $(shell echo $$(($(CORES) < 3 ? $(CORES) + 1 : 4))) --dist worksteal
# The compared packages have their own environment.
BENCH := .venv-bench
# A Python, and the Django that is tested on it. Each pair has its own environment.
PAIRS := 3.12-5.2 3.13-6.0 3.13-6.1
python_of = python$(firstword $(subst -, ,$(1)))
django_of = django~=$(lastword $(subst -, ,$(1))).0
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-options --extra first-run --extra example

# Without ensurepip, `python -m venv` fails and leaves an environment that has Python, but not pip.
define make_environment
	test -x $(1)/bin/pip || { \
		rm -rf $(1); \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' && $(PYTHON) -m venv $(1) || { \
			rm -rf $(1); \
			echo "$$NO_ENVIRONMENT" >&2; \
			exit 1; \
		}; \
	}
endef
define NO_ENVIRONMENT

There is no virtual environment, and $(PYTHON) cannot make one. Countersign needs Python 3.11 or
later with the modules venv and ensurepip:

  Debian, Ubuntu    apt install python3-venv
  another Python    make PYTHON=python3.12 $(MAKECMDGOALS)
endef
export NO_ENVIRONMENT

.DEFAULT_GOAL := help
.PHONY: help run test sweep edge wheel matrix matrix-python soak mutants screenshots bench compare load check openapi lock format clean dev

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Start everything on this machine: http://127.0.0.1:8000
	$(BIN)/python manage.py start

test: dev ## Run the tests
	$(BIN)/python -m pytest $(WORKERS)

sweep: dev ## Test every page, table and role with all kinds of input
	$(BIN)/python -m pytest $(WORKERS) -m sweep

edge: dev ## Test servers, clusters and processes that tests start and kill
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m edge

matrix: dev ## Test every page in each combination of color scheme, width and JavaScript
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m matrix tests/browser

matrix-python: ## Run the tests on Python 3.12 and 3.13, where present, with Django 5.2, 6.0 and 6.1
	@failed=; \
	for pair in $(PAIRS); do \
		$(MAKE) --no-print-directory test-on-$$pair || failed="$$failed $$pair"; \
	done; \
	test -z "$$failed" || { echo "Failed on Python and Django:$$failed" >&2; exit 1; }

# A command of a version manager may be there without the Python.
test-on-%:
	@if $(call python_of,$*) -c '' 2>/dev/null; then \
		$(MAKE) --no-print-directory PYTHON=$(call python_of,$*) $(VENV)-$*/installed && \
		$(VENV)-$*/bin/python -m pytest $(WORKERS) $(TESTS); \
	else \
		echo "Skipped: there is no $(call python_of,$*) for $(call django_of,$*)"; \
	fi

soak: dev ## Repeat races, crashes and random requests for hours: make soak RACE_ROUNDS=20000
	RACE_ROUNDS="$${RACE_ROUNDS:-5000}" WORKER_KILLS="$${WORKER_KILLS:-200}" SCHEMATHESIS_SECONDS="$${SCHEMATHESIS_SECONDS:-3600}" \
		STOPPED_SECONDS="$${STOPPED_SECONDS:-30}" DATABASE_KILLS="$${DATABASE_KILLS:-100}" REACTION_KILLS="$${REACTION_KILLS:-200}" \
		PROCESS_KILLS="$${PROCESS_KILLS:-150}" RELAY_KILLS="$${RELAY_KILLS:-200}" SEQUENCER_KILLS="$${SEQUENCER_KILLS:-200}" \
		FILTER_EXAMPLES="$${FILTER_EXAMPLES:-500}" \
		$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m "not matrix" tests/faults tests/test_races.py \
		tests/test_killed_server.py tests/edge tests/test_two_processes.py tests/test_schemathesis.py \
		tests/apikeys/test_rotation.py tests/approvals/test_acceptance_requests.py \
		tests/approvals/requests/voting/test_filters.py \
		tests/audit/reactions tests/audit/evidence/test_killed_sequencer.py

wheel: dev ## Build the wheel of audit and approvals in dist, for other projects
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

mutants: dev ## Test the tests with changed code: make mutants MODULES="audit/bus" SAMPLE=50 SEED=2
	$(BIN)/python -m tests.mutants --sample $(or $(SAMPLE),150) --seed $(or $(SEED),1) $(MODULES)

screenshots: dev ## Retake the screenshots in docs/screenshots
	$(BIN)/python -m tests.browser.screenshots

bench: $(BENCH)/installed ## Compare with other packages: make bench ROWS="write read" QUICK=1
	$(BENCH)/bin/python -m benchmarks.suite $(if $(QUICK),--quick) $(if $(RECORDS),--records $(RECORDS)) $(ROWS)

compare: dev ## Compare writes and dispatches with an older commit: make compare COMMIT=HEAD~1
	$(BIN)/python -m benchmarks.compare $(COMMIT)

load: $(BENCH)/installed ## Measure how many requests per second the real server sustains
	$(BENCH)/bin/python -m benchmarks.load

check: ## Run all that CI runs
	bash .ci/run

openapi: dev ## Regenerate docs/openapi.json
	$(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn \
		--file docs/openapi.json

format: dev ## Format the code and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: dev ## Resolve the dependencies again, within the ranges of pyproject.toml
	$(COMPILE) --upgrade --output-file requirements.txt pyproject.toml
	$(COMPILE) --upgrade --extra dev --extra nats --constraint requirements.txt \
		--output-file requirements-dev.txt pyproject.toml

clean: ## Remove what make and the first run created: .venv, .venv-*, .data and caches
	if test -L .data/postgres/elsewhere; then rm -rf "$$(readlink .data/postgres/elsewhere)"; fi
	rm -rf $(VENV) $(VENV)-* .data dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev: $(VENV)/installed-dev

# Each stamp says when its requirements were last installed.
$(VENV)/installed: requirements.txt
	@$(call make_environment,$(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(BENCH)/installed: requirements.txt benchmarks/rivals/requirements.txt
	@$(call make_environment,$(BENCH))
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -r benchmarks/rivals/requirements.txt
	touch $@

$(PAIRS:%=$(VENV)-%/installed): $(VENV)-%/installed: requirements-dev.txt
	@$(call make_environment,$(VENV)-$*)
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check "$(call django_of,$*)"
	touch $@
