"""GGUF variants of a merged model: time to make, size, speed, and distance from float16.

    python -m benchmarks.gguf --merged FOLDER --splits FOLDER [--prompts 40]

`--merged` is a folder of the store's `merge` stage, `--splits` one of its `data` stage. Variants
are made in a temporary folder and answer the holdout's first prompts; logits are taken along the
answers of the file in float16, in the same runtime. Writes `benchmarks/results/gguf.json`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.demo import machine
from tuneline.generation import GenerationConfig, ModelArtifact
from tuneline.generation.llama_cpp_engine import LlamaCppEngine
from tuneline.machine import this_machine
from tuneline.quantization.gguf import F16, GGUF
from tuneline.quantization.gguf_parity import PARITY
from tuneline.quantization.measuring import Bench, Exchange
from tuneline.records import read_records

CONFIG = GenerationConfig(max_new_tokens=64)


def main() -> None:
    """Make and measure all variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merged", type=Path, required=True)
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=40)
    arguments = parser.parse_args()
    prompts = [r.prompt for r in read_records(arguments.splits / "holdout.parquet")]
    records = read_records(arguments.splits / "train.parquet")
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"bf16": arguments.merged}
        for name, method in GGUF.items():
            folders[name] = Path(scratch) / name
            folders[name].mkdir()
            started = time.monotonic()
            assert method.write is not None
            method.write(folders[method.made_from], this_machine(), folders[name], records)
            rows[name] = {"made_s": round(time.monotonic() - started, 1)}
        stored = {name: GGUF[name].inspect(folders[name]) for name in GGUF}
        parity = json.loads((folders[F16] / PARITY).read_text())
        reference = ModelArtifact(F16, folders[F16], F16, engine="llama_cpp")
        exchanges = answered(reference, prompts[: arguments.prompts])
        bench = Bench(this_machine(), CONFIG, exchanges, 10**6, Path(scratch) / "distributions")
        for name in GGUF:
            rows[name] |= measure(name, folders[name], bench, reference)
            rows[name] |= {
                "size_mb": round(stored[name].size_mib * 2**20 / 1e6, 1),
                "bits_per_weight": stored[name].bits_per_weight,
                "asked_bits_per_weight": stored[name].asked_bits_per_weight,
                "tensor_types": stored[name].tensor_types,
                "n_fallbacks": len(stored[name].fallbacks),
            }
            print(name, rows[name], flush=True)
    result = {"machine": machine(), "conversion": parity, "variants": rows}
    path = Path(__file__).parent / "results" / "gguf.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def answered(reference: ModelArtifact, prompts: list[Any]) -> list[Exchange]:
    """The prompts with the reference's greedy answers."""
    engine = LlamaCppEngine(reference, this_machine(), CONFIG)
    answers = engine.answer([engine.render(prompt) for prompt in prompts])
    engine.close()
    return [Exchange(p, a.text or "") for p, a in zip(prompts, answers, strict=True)]


def measure(name: str, folder: Path, bench: Bench, reference: ModelArtifact) -> dict[str, Any]:
    """One variant: greedy answers, then the reference's answers teacher-forced."""
    artifact = ModelArtifact(name, folder, name, engine="llama_cpp")
    engine = LlamaCppEngine(artifact, this_machine(), CONFIG)
    started = time.monotonic()
    answers = engine.answer([engine.render(exchange.prompt) for exchange in bench.exchanges])
    seconds = time.monotonic() - started
    engine.close()
    measured = bench.measure(artifact, reference)
    assert measured.fidelity is not None
    expected = [exchange.answer for exchange in bench.exchanges]
    return {
        "threads": engine.n_threads,
        "load_s": measured.load_s,
        "peak_mib": round(measured.peak_memory_mib),
        "tokens_per_s": round(sum(answer.n_tokens for answer in answers) / seconds, 1),
        "same_answers": sum(a.text == e for a, e in zip(answers, expected, strict=True)),
        "n_prompts": len(answers),
        "top1_agreement": round(measured.fidelity.top1_agreement, 4),
        "kl": round(measured.fidelity.kl, 5),
        "n_tokens": measured.fidelity.n_tokens,
    }


if __name__ == "__main__":
    main()
