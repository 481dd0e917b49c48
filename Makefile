# `make` alone lists the targets. The README has the plain commands for machines without make.
#   make book PYTHON=python3.12   names the Python that creates the environment
#   make book VENV=path           uses, or creates, another environment than .venv

PYTHON ?= python3
# An active conda environment is used as it is, but not `base`, which belongs to no project.
ifndef VENV
VENV := $(or $(if $(filter base,$(CONDA_DEFAULT_ENV)),,$(CONDA_PREFIX)),.venv)
endif
ifneq ($(words $(VENV)),1)
$(error The path of the environment contains a space; name another one: make VENV=path)
endif
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.cnnlib

# A worker for each core, and a file of tests, such as a notebook, for one worker.
TEST := -m pytest cnnlib tests notebooks -n logical --maxprocesses 4 --dist loadfile --nbval --nbval-current-env \
	--nbval-sanitize-with tests/sanitize.cfg --nbval-cell-timeout 600

.PHONY: help install book html live pdf handout assignments slides test check test-frameworks mutants kernels ci-long lab notebooks number results lint bench bench-compare measure clean
.DEFAULT_GOAL := help

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## create the environment (.venv) with all that the book and its tests need

book: $(STAMP)  ## execute the notebooks that changed into build/ and render them to build/html
	@$(RUN) -m cnnlib.book.publish book

html: $(STAMP)  ## render the committed outputs to build/html, without executing anything
	@$(RUN) -m cnnlib.book.publish html

live: $(STAMP)  ## get Python for the pages (45 MB), so that `make book` and `make html` give them Run buttons
	@$(RUN) -m cnnlib.book.publish live

pdf: $(STAMP)-browser  ## print the book with chromium: build/convolution-book.pdf, and its chapters: build/pdf
	@$(RUN) -m cnnlib.book.publish pdf

handout: $(STAMP)  ## notebooks, pages, library without solutions: build/handout; with them: build/instructor
	@$(RUN) -m cnnlib.book.publish handout

SEED ?= 2026
assignments: $(STAMP)  ## nbgrader and otter, a notebook a chapter: build/assignments; SEED=2026 draws students' numbers
	@$(RUN) -m cnnlib.book.publish assignments --seed '$(SEED)'

slides: $(STAMP)  ## an hour of lecture each, explorers alive, with speaker's notes: build/slides
	@$(RUN) -m cnnlib.book.publish slides

test: $(STAMP)  ## run the tests, the doctests and every notebook against its committed outputs
	@$(RUN) $(TEST)

check: lint  ## for daily work: style, types and the core's tests, in 70 seconds
	@$(RUN) -m pytest cnnlib tests -n logical --maxprocesses 4 --dist loadfile -q \
	    -m "not (notebook or browser or frameworks or slow)"

# PyTorch as pip finds it brings several GB of GPU libraries; a CPU build that is there is kept.
test-frameworks: $(STAMP)-frameworks  ## compute the numbers of TensorFlow, PyTorch and OpenCV again
	@$(RUN) -m pytest tests/frameworks

mutants: $(STAMP)  ## plant each mistake of the catalogue wherever it fits: a test must notice it
	@$(RUN) tests/mutants.py

kernels: $(STAMP)  ## execute the chapters that measure time with other kernels, busy cores, a mad clock
	@$(RUN) tests/elsewhere/kernels.py

ci-long: $(STAMP)  ## what takes two hours: all mutants, new examples, every chapter in other environments
	@VENV=$(VENV) bash .ci/long

lab: $(STAMP)  ## open the first chapter in JupyterLab
	@$(RUN) -m jupyterlab notebooks/00_start_here.ipynb

notebooks: $(STAMP)  ## execute the notebooks in place: only this rewrites committed outputs
	@$(RUN) -m cnnlib.book.publish notebooks

number: $(STAMP)  ## number sections, equations, exercises anew, and mentions; tag cells for slides
	@$(RUN) -m cnnlib.book.publish number

results: $(STAMP)  ## train anew what chapters 5, 7 and 9 quote and the explorers show (under an hour; real MNIST)
	@$(RUN) benchmarks/results.py

lint: $(STAMP)-dev  ## check style, format and types; of the explorers' scripts, where tsc and eslint are
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@if command -v tsc eslint >/dev/null; then tsc -p jsconfig.json && eslint cnnlib/book/widgets/scripts cnnlib/book/publish/live/scripts; \
	    else echo "The explorers' scripts are not checked: npm install -g typescript eslint brings what does."; fi

bench: $(STAMP)  ## time the library beside PyTorch, where there is one; every round: build/bench.json
	@$(RUN) benchmarks/bench.py --json build/bench.json --summary

# Without NEW it times anew what OLD has.
bench-compare: $(STAMP)  ## did a change slow it down? OLD=before.json, and NEW=after.json or timed anew
	@$(if $(OLD),,$(error Name the record from before: make bench-compare OLD=before.json))
	@$(RUN) benchmarks/compare.py $(OLD) $(NEW)

measure: $(STAMP)-browser  ## record sizes and times of pages and explorers in build/measure.json
	@$(RUN) benchmarks/pages.py
	@$(RUN) benchmarks/explorers.py

clean:  ## remove what the other targets made: .venv, build/ and the caches
	@rm -rf .venv .venv-oldest .venv-graders build cnnlib.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find cnnlib tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} +

# ---- The environment. Every way in which it can fail ends in one sentence that says what to do.

comma := ,
fail = { echo >&2; echo "$($(1))" >&2; exit 1; }
new_enough = -c 'import sys; \
	sys.version_info < (3, 11) and sys.exit("Found Python %d.%d." % sys.version_info[:2])'
has_space = -c 'import shutil, sys; sys.exit(shutil.disk_usage(sys.argv[1]).free < 1e9)'
unreachable = connection broken|Failed to establish|Could not fetch URL|ProxyError

no_python = There is no $(PYTHON): install Python 3.11 or newer and name it: make PYTHON=python3.12.
too_old = This Python is too old: install 3.11 or newer and name it (make PYTHON=python3.12), or \
	create the conda environment of environment.yml anew.
no_venv = $(PYTHON) lacks the module venv: install it (on Debian and Ubuntu: apt install \
	python3-venv) and run make again.
no_space = The disk is too full: the environment needs 1 GB, so free some space or put it on \
	another disk (make VENV=path).
no_network = pip reached no package index: connect to the network, or tell pip about your proxy, \
	and run make again.
no_environment = The environment could not be created: mend what the lines above name and run \
	make again.
no_packages = pip could not install the packages: its last lines above say why.

$(RUN):
	@command -v $(PYTHON) >/dev/null || $(call fail,no_python)
	@$(PYTHON) $(new_enough) || $(call fail,too_old)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call fail,no_venv)
	@mkdir -p $(VENV) || $(call fail,no_environment)
	@$(PYTHON) $(has_space) $(VENV) || $(call fail,no_space)
	@$(PYTHON) -m venv $(VENV) || { rm -f $@; $(call fail,no_environment); }

# $(call pip,extras): installs the library in place with these extras and stamps the environment.
define pip
	@$(RUN) $(new_enough) || $(call fail,too_old)
	@# An environment whose creation was interrupted, and some of conda's, have no pip.
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(RUN) -m ensurepip >/dev/null || \
	    $(call fail,no_environment)
	@mkdir -p build && rm -f build/pip.log
	@echo "Installing (some minutes the first time) ..."
	@$(RUN) -m pip install --disable-pip-version-check --log build/pip.log -e '.[$(1)]' || \
	    if grep -q 'No space left' build/pip.log; then $(call fail,no_space); \
	    elif grep -qE '$(unreachable)' build/pip.log; then $(call fail,no_network); \
	    else $(call fail,no_packages); fi
	@rm -f build/pip.log  # it has 28 MB
	@echo '$(CURDIR)' >$@
endef

$(STAMP): pyproject.toml | $(RUN)
	$(call pip,book$(comma)test)

$(STAMP)-dev: $(STAMP)
	$(call pip,dev)

$(STAMP)-browser: $(STAMP)
	$(call pip,browser)

$(STAMP)-frameworks: $(STAMP)
	$(call pip,frameworks)

# An environment that several clones share runs the clone that was installed last: the stamp names
# it, and where it names another one the installation is due again.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif
