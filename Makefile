# Every target makes its own virtual environment in .venv when there is none.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/ready

.PHONY: demo test test-long test-gpu lint format bench models release clean

# Train on data that need no download, measure, export, prove the export, and sample from it.
demo: $(READY)
	rm -rf runs/demo bundles/demo
	$(BIN)/genzoo train vae-digits --workdir runs/demo --devices cpu:2
	$(BIN)/genzoo evaluate runs/demo
	$(BIN)/genzoo export runs/demo --out bundles/demo --variants fp32,fp16,int8
	$(BIN)/genzoo verify bundles/demo
	$(BIN)/genzoo generate bundles/demo -n 64 --seed 7 --out demo.png
	$(BIN)/python -c "import serving, sys; serving.load('bundles/demo').generate(1); \
	  print('TensorFlow in a serving process:', 'tensorflow' in sys.modules)"
	$(BIN)/genzoo compare runs/demo bundles/demo

# Three for two cores: one works while others wait for servers and processes.
PYTEST = $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test: $(READY)
	$(PYTEST) -m "not long"

test-long: $(READY)
	$(PYTEST) -m long

# Where there is no GPU, each test says so and is skipped, and CUDA, gigabytes of it, is not fetched.
test-gpu: $(READY)
	if $(BIN)/python -c 'import sys, serving.runtime.session as s; sys.exit(not s.cuda_expected())'; \
	  then $(BIN)/python -m pip install --quiet --editable '.[cuda]'; fi
	$(BIN)/python -m pytest -m gpu -rs

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Without llama.cpp, which not every machine can build, the others are compared all the same.
bench: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	-$(BIN)/python -m pip install --quiet --editable '.[llama-cpp]'
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.text
	$(BIN)/python -m tests.bench.text --layers 12 --width 768 --heads 12 --vocabulary 50257
	$(BIN)/python -m tests.bench.training
	test ! -d zoo/models/fsrcnn-flowers-x3 || $(BIN)/python -m tests.bench.photographs zoo/models/fsrcnn-flowers-x3
	for name in chorales masked-shakespeare; do \
	  test ! -d zoo/models/$$name || $(BIN)/python -m tests.bench.sequences zoo/models/$$name || exit 1; done

IMAGES = fp32,fp16,int8
TEXTS = fp32,fp16,int8,static,fused,fused-int8,fused-int4

# The bundles that are published, from finished runs in runs/NAME; what they cost is measured on this
# machine, which does nothing else. What can be made again of them is not kept.
models: $(READY)
	made() { $(BIN)/genzoo export runs/$$1 --name $$2 --out zoo/models/$$2 --formats onnx --variants $$3 \
	  && $(BIN)/genzoo bench zoo/models/$$2 --record; }; \
	for name in vae-mnist-dense cvae-mnist dcgan-mnist cgan-mnist; \
	  do made $$name $$name $(IMAGES) || exit 1; done; \
	for name in flow-mnist prior-mnist; do made $$name $$name fp32,fp16 || exit 1; done; \
	made infogan-mnist infogan-mnist $(IMAGES) || exit 1; \
	for name in gpt-shakespeare-nano gpt-shakespeare-styles gpt-python-topics; do made $$name $$name $(TEXTS) || exit 1; done; \
	made gpt-shakespeare gpt-shakespeare fp32,int8,static-fp16,fused,fused-int8,fused-int4 || exit 1; \
	made chorales chorales $(IMAGES) || exit 1; \
	for name in fsrcnn-flowers-x2 fsrcnn-flowers-x3 fsrcnn-flowers-x4 repair-flowers; \
	  do made $$name $$name $(IMAGES) || exit 1; done; \
	made masked-shakespeare masked-shakespeare $(IMAGES),fused || exit 1; \
	made vae-mnist-iwae vae-mnist $(IMAGES)
	$(BIN)/python -m export.release.keep zoo/models/*
	$(BIN)/python -m serving.catalogue

# Every variant of every published model, from what is kept of it, held to the hashes of the index.
release: $(READY)
	$(BIN)/python -m export.release.derive --to release/models

$(READY): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist runs/demo bundles/demo demo.png release
	rm -rf *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
