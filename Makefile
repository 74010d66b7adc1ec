# `make demo` and `make test` set everything up in .venv and run; nothing else is needed than Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_DIR ?= out/demo
# Pinned. An index may serve the build with CUDA, of gigabytes: PIP_EXTRA_INDEX_URL names one with CPU builds.
TORCH ?= torch==2.13.0
# A rival in the body benchmark only.
BODY_MODELS ?= body-models==0.26.2

# Bytecode is kept: without it every worker rewrites two hundred test files, and every process that a test starts
# compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast test-variants test-slow test-cluster fuzz fuzz-short stops lint types check parity \
	goldens assets scenes wheel clean bench bench-long bench-check bench-tables ablations prior generated-table docs report-js

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.plain: $(BIN)/python setup.py
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.test: $(VENV)/.plain
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@

$(VENV)/.smplx: $(VENV)/.test
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -e '.[smplx]'
	@touch $@

$(VENV)/.assets: $(VENV)/.test
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -e '.[assets,report]'
	@touch $@

demo: $(VENV)/.plain ## install and fit the packaged scenes into out/demo
	$(BIN)/prosepose demo --workdir=$(DEMO_DIR)

test-fast: $(VENV)/.test ## the tests that take no seconds each: at every save
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not parity and not slow and not variants and not heavy"

test: $(VENV)/.test ## install and run all tests but the slow ones and further cases of heavy ones
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not parity and not slow and not variants"

test-variants: $(VENV)/.test ## the further cases of heavy tests: other numbers of people and slots, searches, aggregations
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "variants and not parity and not slow"

test-slow: $(VENV)/.test ## the tests that take minutes: kill -9 a hundred times, 50,000 odd texts
	$(BIN)/python -m pytest -q -m slow

# What stands for S3 in the tests of divided runs.
MOTO ?= moto[server]>=5,<6
$(VENV)/.cluster: $(VENV)/.test
	$(BIN)/python -m pip install --quiet -e '.[cloud,ray]' '$(MOTO)'
	@touch $@

test-cluster: $(VENV)/.cluster ## install Ray and a server for S3; runs of many processes, some killed, equal to one
	$(BIN)/python -m pytest -q -m slow tests/apps/test_many_processes.py tests/scale/test_deploy_files.py \
		tests/lmm/test_ask_on_ray.py tests/ablation/test_sweep_on_ray.py

FUZZ_COUNT ?= 1000000
fuzz: $(VENV)/.test ## a million damaged inputs to every reader, into out/fuzz (resumable)
	$(BIN)/python tests/fuzz/fuzz.py --count=$(FUZZ_COUNT) --out=out/fuzz

STOPS_DIR ?= out/stops
stops: $(VENV)/.test ## stop fits in every way (kill -9, SIGTERM, full disks) and compare, into out/stops
	$(BIN)/python tests/apps/stop_fits.py --out=$(STOPS_DIR)

fuzz-short: $(VENV)/.test ## the same for a minute, for every push
	$(BIN)/python tests/fuzz/fuzz.py --seconds=60 --out=out/fuzz-short

lint: $(VENV)/.test ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test ## types
	$(BIN)/mypy

check: lint types

parity: $(VENV)/.smplx ## install PyTorch and smplx and compare live
	$(BIN)/python -m pytest -q -m parity

goldens: $(VENV)/.smplx ## make tests/data/goldens_smplx.npz again
	$(BIN)/python tests/body/make_goldens.py

assets: $(VENV)/.assets ## build smpl_assets/ and the test bodies again
	$(BIN)/python smpl_assets/build_body.py
	$(BIN)/python smpl_assets/build_test_bodies.py

scenes: $(VENV)/.test ## make the packaged scenes again
	$(BIN)/python -m prosepose_jax.synthetic.make_demo --out=prosepose_jax/demo

$(VENV)/.bench: $(VENV)/.smplx
	$(BIN)/python -m pip install --quiet '$(BODY_MODELS)'
	@touch $@

# The order matters: fit_scenes reads the baseline's step times that fit_step wrote.
bench: $(VENV)/.bench ## the benchmarks that a CPU does in under 20 minutes, into benchmarks/results
	$(BIN)/python benchmarks/smplx_forward.py --batches=1,32,128 --seconds=1
	$(BIN)/python benchmarks/fit_step.py --scenes=10
	$(BIN)/python benchmarks/fit_scenes.py --settings=default,all_steps --counts=16 --quality_scenes=16
	$(BIN)/python benchmarks/answers_scaling.py --counts=1,20,500 --rows=1,4,16 --scenes=8 --steps=100,50
	$(BIN)/python benchmarks/solvers.py --solvers=lm --scenes=6 --batch=6 --ladder=10,30,1000
	$(BIN)/python benchmarks/memory.py --counts=1,64
	$(BIN)/python benchmarks/step_profile.py

bench-long: $(VENV)/.bench ## the same with every batch size, and quality against the exact path (an hour or two)
	$(BIN)/python benchmarks/smplx_forward.py --batches=1,32,128,1024
	$(BIN)/python benchmarks/fit_step.py
	$(BIN)/python benchmarks/fit_scenes.py --counts=1,16,64,256 --quality_scenes=64
	$(BIN)/python benchmarks/answers_scaling.py
	$(BIN)/python benchmarks/solvers.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/step_profile.py

AGAINST ?= HEAD
bench-check: $(VENV)/.plain ## compare the ratios in benchmarks/results with the committed ones
	$(BIN)/python benchmarks/check.py --against=$(AGAINST)

bench-tables: $(VENV)/.plain ## write the figures of benchmarks/results into docs/benchmarks.md
	$(BIN)/python benchmarks/tables.py

ABLATIONS ?= families:lm final told told:questions told:limits floor losses:families families:self_contact_lm answers \
	threshold losses fallback weights aggregation order_sides noise oracle keypoints solvers
ABLATIONS_DIR ?= out/ablations
ABLATIONS_FLAGS ?=
ablations: $(VENV)/.plain ## all packaged sweeps into out/ablations (resumable), their tables into docs/results.md
	for name in $(ABLATIONS); do \
		$(BIN)/prosepose ablate --config=ablation_$$name --workdir=$(ABLATIONS_DIR)/$$(echo $$name | tr : _) \
			--scenes=$(ABLATIONS_DIR)/scenes $(ABLATIONS_FLAGS) || exit 1; \
	done
	$(BIN)/python -m prosepose_jax.ablation.document --sweeps=$(ABLATIONS_DIR) --document=docs/results.md

# How many people there are to learn from, and for how long: until the loss on those held out rises again.
PRIOR_DIR ?= out/prior
PRIOR_PEOPLE ?= 655
PRIOR_STEPS ?= 9200
prior: $(VENV)/.plain ## make pairs and train the packaged prior over two people again (resumable; docs/buddi.md)
	$(BIN)/python -m prosepose_jax.synthetic.make_pairs --out=$(PRIOR_DIR)/pairs.npz --count=$(PRIOR_PEOPLE)
	$(BIN)/prosepose train-prior --pairs=$(PRIOR_DIR)/pairs.npz --workdir=$(PRIOR_DIR)/training --steps=$(PRIOR_STEPS) \
		--batch=64 --learning_rate=1e-3 --warmup=300 --dropout=0 --width=128 --layers=3 --save_every=200
	cp $(PRIOR_DIR)/training/prior.npz smpl_assets/pair_prior.npz

TABLE_DIR ?= out/generated_table
TABLE_COUNT ?= 300
TABLE_SEED ?= 2001
TABLE_LEVELS ?= low middle high
TABLE_ROWS ?= regressor,heuristic,no_answers,published,default,oracle,buddi,buddi_answers
# All levels are about the same people, so their truths are made once. TABLE_ROWS=published makes one row and leaves the
# others for later; what is fitted is not fitted again.
generated-table: $(VENV)/.plain ## the papers' table on generated scenes at three noise levels (resumable; docs/table.md)
	first=$(TABLE_DIR)/$(firstword $(TABLE_LEVELS)); for level in $(TABLE_LEVELS); do \
		here=$(TABLE_DIR)/$$level; \
		if [ ! -d $$here/truth ] && [ $$here != $$first ]; then mkdir -p $$here && cp -r $$first/truth $$here/truth; fi; \
		$(BIN)/prosepose generate --kind=two_person --count=$(TABLE_COUNT) --seed=$(TABLE_SEED) --level=$$level \
			--out=$$here --sheet=0 || exit 1; \
		$(BIN)/prosepose table --scenes=$$here/scenes --answers=$$here/answers.jsonl --workdir=$$here/table --quick \
			--buddi=free --rows=$(TABLE_ROWS) || exit 1; \
	done

$(VENV)/.docs: $(VENV)/.plain
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## build the documentation as a site into out/site; a dead link fails
	$(BIN)/python -m mkdocs build --strict

# Node.js; after a change of package.json or three_entry.js.
report-js: ## bundle the report's part of three.js again
	cd prosepose_jax/report/web && npm install --no-package-lock && npm run build && rm -rf node_modules

wheel: $(VENV)/.test ## build a wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info
