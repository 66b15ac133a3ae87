"""Which engine runs an artifact, and what is said where it cannot."""

import importlib.metadata
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tuneline.errors import EvaluationError
from tuneline.generation import ENGINES, GenerationConfig, Generator, Likelihood, ModelArtifact
from tuneline.generation.engine import INSTALL, PACKAGES, engine_name, engine_versions
from tuneline.generation.likelihood import likelihood
from tuneline.generation.vllm_engine import (
    answer_likelihood,
    latency_s,
    log_probabilities,
    lora_rank,
)
from tuneline.machine import this_machine

FOLDER = ModelArtifact("candidate", Path("model"), "digest")
GGUF = ModelArtifact("q4", Path("model"), "digest", engine="llama_cpp")
ON_VLLM = GenerationConfig(engine="vllm")


def test_the_profile_chooses_who_runs_folders_and_files_choose_for_themselves():
    assert engine_name(FOLDER, GenerationConfig()) == "transformers"
    assert engine_name(FOLDER, ON_VLLM) == "vllm"
    assert engine_name(GGUF, ON_VLLM) == "llama_cpp"


def test_every_engine_names_the_packages_whose_versions_decide_its_answers():
    assert PACKAGES.keys() == ENGINES.keys()
    assert engine_versions("transformers") == {
        f"version:{name}": importlib.metadata.version(name) for name in PACKAGES["transformers"]
    }


def test_an_unknown_engine_is_named_with_those_there_are():
    artifact = ModelArtifact("candidate", Path("model"), "digest", engine="exllama")
    with pytest.raises(EvaluationError, match=r"'exllama'; known are transformers, llama_cpp"):
        Generator.load(artifact, this_machine(), GenerationConfig())


@pytest.mark.parametrize(("name", "artifact"), [("vllm", FOLDER), ("llama_cpp", GGUF)])
def test_an_engine_that_is_not_installed_says_how_to_get_it(name: str, artifact, monkeypatch):
    def version(package: str) -> str:
        if package == PACKAGES[name][0]:
            raise importlib.metadata.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    sentence = f"the engine {name} needs {PACKAGES[name][0]}, which is not installed; "
    with pytest.raises(EvaluationError) as error:
        Generator.load(artifact, this_machine(), ON_VLLM)
    assert str(error.value) == sentence + INSTALL[name]


def test_likelihood_by_hand():
    # p of the tokens: 1/4 (equal logits), and 3/4 of (ln 3, 0) with two tokens out of reach
    logits = np.array([[0, 0, 0, 0], [math.log(3), 0, -1e4, -1e4]], dtype=np.float32)
    found = likelihood(logits, [2, 0])
    assert found.n_tokens == 2
    assert found.nll == pytest.approx(math.log(4) + math.log(4 / 3), rel=1e-6)


def test_large_logits_do_not_overflow():
    found = likelihood(np.array([[3000.0, 3000.0]], dtype=np.float32), [0])
    assert found.nll == pytest.approx(math.log(2))


@pytest.mark.parametrize(("rank", "room"), [(4, 8), (8, 8), (12, 16), (16, 16), (200, 256)])
def test_vllm_is_told_a_rank_that_it_takes(tmp_path: Path, rank: int, room: int):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": rank}))
    assert lora_rank(tmp_path) == room


def test_an_adapter_too_wide_for_vllm_is_refused_before_the_weights_are_loaded(tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 1024}))
    with pytest.raises(EvaluationError, match="up to rank 512, this one has 1024; merge it"):
        lora_rank(tmp_path)


def entry(p: float) -> SimpleNamespace:
    """As vLLM gives the log-probability of a token."""
    return SimpleNamespace(logprob=math.log(p))


def test_vllms_log_probabilities_become_rows_whose_likelihood_is_the_same():
    rows = [None, {3: entry(0.5)}, {0: entry(0.25), 1: entry(0.75)}, {0: entry(0.9), 1: entry(0.1)}]
    by_sum = answer_likelihood(rows, [1, 0])
    by_rows = likelihood(log_probabilities(rows[-2:], 4), [1, 0])
    assert by_sum == Likelihood(pytest.approx(-math.log(0.75) - math.log(0.9)), 2)
    assert by_rows == Likelihood(pytest.approx(by_sum.nll, rel=1e-6), 2)


def test_a_request_of_vllm_took_from_its_queueing_to_its_last_token():
    assert latency_s(SimpleNamespace(queued_ts=10.0, last_token_ts=12.5), 9.0) == 2.5
    assert latency_s(None, 9.0) == 9.0
