# make study   set up and run the quick study      make test    set up and run the tests (a quarter of an hour)
# make setup   set up only (what a study needs)    make check   lint and types
#                 TORCH=cpu TORCH_INDEX=URL takes torch and torchvision from an index of builds for the CPU
# make lock    write requirements.txt anew: every package of a study, with its version and the hashes of its files
# make dev     set up for work on the project too: tests, lint, types, the site
# make resolve  whether the oldest versions that pyproject.toml allows, and those of constraints.txt, can be installed
# make test-programs   the tests of the real command under its real neighbours: Ray clusters, a W&B server, signals, whole
#                 studies, the examples
# make test-all   both, in one go: half an hour
# make test-cluster   the Slurm script under a real Slurm, submitted jobs (Debian: slurm-wlm, munge, iproute2; as root; some twenty minutes)
# make studies-quick   the quick profile of every study in studies/ and examples/, one after another
# make simulate   thousands of simulated studies, without and with searches: do intervals cover and tests err as they say
#                 (half an hour of a core; stopped, it goes on), then write docs/statistics.md
# make bench   set up and time every backend (some ten minutes on two quiet cores), then write docs/performance.md
# make kernels   compile every CUDA kernel for every architecture, without a GPU (some minutes), then write
#                 docs/cuda_kernels.md
# make docs    set up and build the documentation's site into build/site; a warning fails it
# make notebook RESULTS=results/<study>/<profile>   run docs/library.ipynb and store what it shows
# make pictures   the pictures of docs/results, from its packs
# make gallery   docs/gallery.md, from the packs of docs/results (needs Chromium)
# make dashboard RESULTS=results/<study>/<profile>   the searches of a study in optuna-dashboard
# make chaos   disturb small studies in full (hours; stopped, it goes on) and write docs/reliability.md
# make overhead  time 1,000 trials that train nothing, and play 10,000 on 64 simulated slots
# make clean   remove what these made (a full study's results stay)

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt
UV      := $(shell command -v uv)
FETCH   := $(if $(UV),$(UV) pip install --python $(RUN),$(RUN) -m pip install --disable-pip-version-check)
RESOLVE := $(VENV)/bin/uv pip compile --quiet --all-extras pyproject.toml
RESULTS ?= results/smnist_ablation/quick

.PHONY: setup dev lock resolve study studies-quick test test-programs test-all test-cluster check docs pictures gallery notebook bench kernels simulate dashboard chaos overhead clean

setup: $(STAMP)

# With TORCH=cpu the hashes of requirements.txt do not apply: they are of the package index's own builds of torch.
$(STAMP): pyproject.toml requirements.txt constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; use make PYTHON=python3.11")'
ifeq ($(TORCH),cpu)
	@test -n "$(TORCH_INDEX)" || { echo "TORCH=cpu needs TORCH_INDEX=URL, the package index of torch's builds for the CPU"; exit 2; }
	@echo "Installing what a study needs into $(VENV), with torch for the CPU: some 2 GB."
	$(PYTHON) -m venv $(VENV)
	$(FETCH) -c constraints.txt --index-url $(TORCH_INDEX) torch torchvision
	$(FETCH) -c constraints.txt -e '.[study]'
else
	@echo "Installing what a study needs into $(VENV), torch with CUDA among it: on Linux some 3 GB to fetch and 7 GB"
	@echo "on the disk, two to five minutes with a fast connection. (make TORCH=cpu TORCH_INDEX=URL takes less.)"
	$(PYTHON) -m venv $(VENV)
	$(FETCH) --require-hashes -r requirements.txt
	$(FETCH) --no-deps -e .
endif
	touch $(STAMP)

dev: $(DEV)

$(DEV): $(STAMP)
	$(INSTALL) -e '.[dev]'
	touch $(DEV)

lock: dev
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 --extra study -c constraints.txt pyproject.toml -o requirements.txt

# Python 3.11.0 is the oldest, 3.14 the newest; Debian 12 has 3.11.2
resolve: dev
	for python in 3.11.0 3.14; do $(RESOLVE) --resolution lowest-direct --python-version $$python >/dev/null || exit; done
	$(RESOLVE) -c constraints.txt --python-version 3.11.0 >/dev/null

study: setup
	$(RUN) launch/study.py studies/smnist_ablation.yaml --profile quick

studies-quick: setup
	for example in examples/*/make_*.py; do $(RUN) $$example || exit; done
	for study in studies/*.yaml examples/*/study.yaml; do $(RUN) launch/study.py $$study --profile quick || exit; done

TESTS = $(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore=tests/cluster

test: dev
	$(TESTS) -m 'not program'

test-programs: dev
	$(TESTS) -m program

# in one go, as programs wait while others compute
test-all: dev
	$(TESTS)

test-cluster: dev
	$(INSTALL) -e '.[dev,jobs]'
	GLIFR_NEED_CLUSTER=1 $(RUN) -m pytest tests/cluster

check: dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

simulate: setup
	$(RUN) -m analysis.simulation 4000 --out docs/statistics
	$(RUN) -m analysis.simulation.look_rates 2000 --out docs/statistics
	$(RUN) -m benchmarks.searches --studies 500 --keep build/searches --out docs/statistics
	$(RUN) -m benchmarks.searches.write_up

kernels: dev
	GLIFR_ALL_KERNELS=1 $(RUN) -m pytest tests/glifr/engine/test_triton_compiles.py
	$(RUN) -m benchmarks.kernels

bench: setup
	$(RUN) -m benchmarks
	$(RUN) -m benchmarks --write-docs

docs: dev
	PYTHONPATH=. $(RUN) docs/site_pages.py build/docs
	$(VENV)/bin/zensical build --strict --clean

pictures: setup
	for pack in docs/results/*.tar.xz; do $(RUN) -m analysis $$pack --only figures || exit; done

gallery: setup
	PYTHONPATH=. $(RUN) docs/gallery.py

notebook: dev
	$(RUN) tests/support/run_notebook.py $(RESULTS)

dashboard: setup
	$(INSTALL) -e '.[dashboard]'
	$(RUN) -m launch.tracking.optuna_mirror $(RESULTS)
	$(VENV)/bin/optuna-dashboard sqlite:///$(RESULTS)/optuna.db

chaos: dev
	cd tests && PYTHONPATH=..:support ../$(RUN) -m chaos && PYTHONPATH=.. ../$(RUN) -m chaos.write_up

overhead: setup
	$(RUN) -m benchmarks.launcher.overhead --trials 1000 --out docs/launcher
	$(RUN) -m benchmarks.launcher.simulation --trials 1000 --slots 64 --out docs/launcher
	$(RUN) -m benchmarks.launcher.write_up

clean:
	rm -rf $(VENV) *.egg-info build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf results/smnist_ablation/quick
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	-rmdir results/smnist_ablation results 2>/dev/null || true
