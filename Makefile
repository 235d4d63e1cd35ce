PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is measured beside us is installed beside us, too.
BENCH := .venv-bench
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-options --extra first-run

.DEFAULT_GOAL := help
.PHONY: help run test matrix screenshots bench compare load check openapi lock format clean dev

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Start everything on this machine: http://127.0.0.1:8000
	$(BIN)/python manage.py start

test: dev ## Run the tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

matrix: dev ## Look at every page in every combination of looks, width and JavaScript
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m matrix tests/browser

screenshots: dev ## Take the pictures in docs/screenshots anew
	$(BIN)/python -m tests.browser.screenshots

bench: $(BENCH)/installed ## Measure beside other packages: make bench ROWS="write read" QUICK=1
	$(BENCH)/bin/python -m benchmarks.suite $(if $(QUICK),--quick) $(if $(RECORDS),--records $(RECORDS)) $(ROWS)

compare: dev ## Compare writes and dispatches with an older commit: make compare COMMIT=HEAD~1
	$(BIN)/python -m benchmarks.compare $(COMMIT)

load: $(BENCH)/installed ## Find out how many requests a second the real server holds
	$(BENCH)/bin/python -m benchmarks.load

check: ## Run all that CI runs
	bash .ci/run

openapi: dev ## Write docs/openapi.json anew
	$(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn \
		--file docs/openapi.json

format: dev ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: dev ## Resolve the dependencies anew, within the ranges of pyproject.toml
	$(COMPILE) --upgrade --output-file requirements.txt pyproject.toml
	$(COMPILE) --upgrade --extra dev --constraint requirements.txt \
		--output-file requirements-dev.txt pyproject.toml

clean: ## Remove what make and the first run made: .venv, .venv-bench, .data and caches
	if test -L .data/postgres/elsewhere; then rm -rf "$$(readlink .data/postgres/elsewhere)"; fi
	rm -rf $(VENV) $(BENCH) .data .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev: $(VENV)/installed-dev

# Each stamp says when its requirements were last installed.
$(VENV)/installed: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(BENCH)/installed: requirements.txt benchmarks/rivals/requirements.txt
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -r benchmarks/rivals/requirements.txt
	touch $@
