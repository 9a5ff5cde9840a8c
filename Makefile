# Everything that a fresh checkout needs is fetched into .venv and js/node_modules: a uv, the locked Python packages,
# a Node (it comes as a Python wheel) and the locked npm packages. `make help` lists the targets.

PYTHON ?= python3
UV_VERSION := 0.13.8

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_NO_PROGRESS := 1
# What is not kept compiled is compiled again by each of the many processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE
export UV_PYTHON_DOWNLOADS := never
# Trust whom the machine trusts, as pip does, so that a proxy with a certificate of its own is no obstacle.
export UV_SYSTEM_CERTS ?= 1
export NODE_USE_SYSTEM_CA ?= 1

SYNCED := .venv/.synced
COLLABORATION := .venv/collaboration/.installed
PACKAGES := js/node_modules/.package-lock.json
HUB_PROXY := tests/hub/node_modules/.package-lock.json
CONFORMANCE := tests/durable_streams/node_modules/.package-lock.json
AI_SDK := tests/ai_sdk/node_modules/.package-lock.json
ANYWIDGET := tests/anywidget/node_modules/.package-lock.json
FRONT_END := jupyter_durable_chat/static/manifest.json
LINKED := .venv/share/jupyter/labextensions/jupyter-durable-chat
JS_SOURCES := $(shell find js -path js/node_modules -prune -o -path js/dist -prune -o -type f -print)

IS_ROOT := $(filter 0,$(shell id -u))
HAS_DISPLAY := $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check lint types unit browser proxies conformance build release versions crash soak bench screenshots docs format lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SYNCED) $(FRONT_END) $(LINKED) ## fetch and build what everything else needs

demo: setup ## open JupyterLab on the tour, with an agent that needs no key (PORT=8888 to choose the port)
	$(BIN)/jupyter lab --config=notebooks/server/jupyter_server_config.py \
		--ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/tour.ipynb \
		$(if $(PORT),--ServerApp.port=$(PORT) --ServerApp.port_retries=0) \
		$(if $(IS_ROOT),--allow-root) $(if $(HAS_DISPLAY),,--no-browser)

# Two lanes of about the same length: most of what is tested in a browser, and beside it everything else, with the rest of that.
LATER := tests/browser/test_conversation.py tests/browser/test_writing.py

test: setup browser proxies conformance lint types ## run all tests, those in a real browser included
	@mkdir -p test-results
	$(BIN)/pytest -m browser $(LATER:%=--ignore=%) >test-results/browser.log 2>&1 & browser=$$!; \
	(cd js && npm test) && $(BIN)/pytest -m "not browser" && $(BIN)/pytest -m browser $(LATER); others=$$?; \
	wait $$browser; browser=$$?; cat test-results/browser.log; exit $$((browser | others))

check: setup lint types unit ## lint, types and the quick tests, in under three minutes

lint: $(SYNCED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(SYNCED) $(PACKAGES) $(ANYWIDGET)
	$(BIN)/pyright
	cd js && npm run check
	js/node_modules/.bin/tsc --project tests/anywidget

unit: setup
	(cd js && npm test) & properties=$$!; $(BIN)/pytest -m "not browser and not slow" && wait $$properties

browser: $(SYNCED) $(COLLABORATION) $(ANYWIDGET)
	scripts/install-chromium

proxies: $(HUB_PROXY)
	scripts/install-nginx

conformance: $(CONFORMANCE) $(AI_SDK)

build: $(SYNCED) ## the sdist and the wheel, in dist/
	$(BIN)/uv build

release: $(SYNCED) ## what is published, in dist/, built twice and compared; see CONTRIBUTING.md
	scripts/release

NOX := nox==2026.10.20

versions: setup browser ## the tests with the oldest and the newest versions of everything (SESSIONS= for some; see noxfile.py)
	$(BIN)/uvx $(NOX) $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(ARGS),-- $(ARGS))

crash: setup ## kill a server under load five hundred times, and whoever runs of a cluster two hundred (CYCLES=, SEED= to repeat a run)
	CYCLES=$(or $(CYCLES),500) $(BIN)/pytest -s tests/proof/test_crash.py
	CYCLES=$(or $(CYCLES),200) $(BIN)/pytest -s tests/proof/test_cluster.py

soak: setup ## a server under everything for two hours, in which nothing grows but its logs (HOURS=, MINUTES=)
	$(BIN)/python -m tests.proof.soak

bench: setup browser ## the figures
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

screenshots: setup browser ## the pictures in docs/images, from the running product
	$(BIN)/python scripts/screenshots.py

docs: $(SYNCED) ## these pages as a site, in site/
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky docs site

format: $(SYNCED) ## format the Python code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: .venv/.uv-$(UV_VERSION) ## bring uv.lock up to date with pyproject.toml
	$(BIN)/uv lock

clean: ## remove everything that was fetched or built here
	rm -rf .venv .nox js/node_modules benchmarks/peers/node_modules benchmarks/peers/protocol/node_modules benchmarks/peers/dist tests/hub/node_modules tests/durable_streams/node_modules tests/ai_sdk/node_modules tests/anywidget/node_modules js/dist jupyter_durable_chat/static jupyter_durable_chat/labextension dist site
	rm -rf .pytest_cache .ruff_cache .hypothesis test-results

.venv/.uv-$(UV_VERSION):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

$(SYNCED): uv.lock pyproject.toml hatch_build.py $(wildcard jupyter-config/*/*.json) | .venv/.uv-$(UV_VERSION)
	$(BIN)/uv sync --frozen --all-extras --group dev --group quick-starts --python $(BIN)/python
	touch $@

# Only what the environment does not have, in a folder of its own: no server sees it but the one of its tests.
$(COLLABORATION): uv.lock | $(SYNCED)
	rm -rf $(@D)
	$(BIN)/uv export --frozen --only-group collaboration --quiet --output-file $(@D).txt \
		$(addprefix --prune ,anyio jsonschema jupyter-events jupyter-server jupyterlab typing-extensions)
	$(BIN)/uv pip install --no-deps --target $(@D) --python $(BIN)/python --requirements $(@D).txt
	touch $@

$(PACKAGES): js/package.json js/package-lock.json | $(SYNCED)
	cd js && npm ci
	touch $@

$(HUB_PROXY): tests/hub/package.json tests/hub/package-lock.json | $(SYNCED)
	cd tests/hub && npm ci
	touch $@

$(CONFORMANCE): tests/durable_streams/package.json tests/durable_streams/package-lock.json | $(SYNCED)
	cd tests/durable_streams && npm ci
	touch $@

$(AI_SDK): tests/ai_sdk/package.json tests/ai_sdk/package-lock.json | $(SYNCED)
	cd tests/ai_sdk && npm ci
	touch $@

$(ANYWIDGET): tests/anywidget/package.json tests/anywidget/package-lock.json | $(SYNCED)
	cd tests/anywidget && npm ci
	touch $@

$(FRONT_END): $(PACKAGES) $(JS_SOURCES)
	cd js && npm run build
	touch $@

# An editable install cannot hold files that are built later, so JupyterLab gets a link to where the build puts them.
$(LINKED): | $(SYNCED)
	mkdir -p $(@D)
	ln -sfn $(CURDIR)/jupyter_durable_chat/labextension $@
