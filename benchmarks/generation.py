"""Generation against what evaluation scripts do: one by one, and batches in the order of the file.

    python -m benchmarks.generation [--prompts 32] [--max-new-tokens 32]

The packaged demo model answers the first prompts of the demo's holdout, which are of both tasks and
of mixed lengths, greedily and with the same weights, tokenizer and attention, in three ways:

- `tuneline`: `Generator`, sorted by length and batched by a budget of tokens.
- `one_by_one`: `model.generate` once per prompt.
- `unsorted`: `model.generate` on 16 prompts at a time in the order of the file, padded on the left.

Two prompts are answered before, and not counted. `equal_to_one_by_one` is the share of answers with
the same text and length: all in float32; in bfloat16 sums round differently in another batch. CPU
seconds are those of all threads. `perplexity` is what measuring the reference answers of the same
records adds. Writes `benchmarks/results/generation.json`.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.demo import machine
from benchmarks.preflight import commit

RESULT = Path(__file__).parent / "results" / "generation.json"
UNSORTED_BATCH = 16
Answers = list[tuple[str, int]]
"""Text and tokens of each."""


def main() -> None:
    """Measure both dtypes and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    arguments = parser.parse_args()
    before = {"commit": commit(), "load_before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        records, base = demo(Path(folder), arguments.prompts)
        found = {
            dtype: measure(base, records, arguments.max_new_tokens, dtype)
            for dtype in ("bfloat16", "float32")
        }
    import torch

    result = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        **before,
        "prompts": arguments.prompts,
        "max_new_tokens": arguments.max_new_tokens,
        **found,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT.read_text())


def demo(workspace: Path, n: int) -> tuple[list[Any], Any]:
    """The first records of the demo's holdout, and its base model."""
    from tuneline.base_model import materialize
    from tuneline.data.prepare import load_splits, prepare
    from tuneline.profile import load_profile
    from tuneline.store import Store

    settings, store = load_profile("demo"), Store(workspace)
    splits = prepare(settings.domain, settings.data, store, is_draft=True)
    return load_splits(splits).holdout[:n], materialize(settings.base_model, store)


def measure(base: Any, records: Sequence[Any], max_new_tokens: int, dtype: str) -> dict[str, Any]:
    """Seconds of every way, its ratios to ours, and how many answers are the same."""
    from tuneline.generation import GenerationConfig, Generator, ModelArtifact
    from tuneline.machine import this_machine

    config = GenerationConfig(max_new_tokens=max_new_tokens)
    artifact = ModelArtifact("base", base.folder, base.digest)
    prompts = [record.prompt for record in records]
    with Generator.load(artifact, replace(this_machine(), dtype_name=dtype), config) as generator:
        texts = [generator.engine.render(prompt) for prompt in prompts]
        ways: dict[str, Callable[[], Answers]] = {
            "tuneline": lambda: [(p.text, p.n_tokens) for p in generator.generate(prompts)[0]],
            "unsorted": lambda: plain(generator.engine, texts, UNSORTED_BATCH),
            "one_by_one": lambda: plain(generator.engine, texts, 1),
        }
        plain(generator.engine, texts[:2], 2)
        answers, spent = {}, {}
        for name, way in ways.items():
            answers[name], spent[name] = timed(way)
        references = [record.reference for record in records]
        _, perplexity = timed(lambda: generator.reference_nll(prompts, references))
    lengths = sorted(generator.engine.count_tokens(texts))
    return {
        "prompt_tokens": {"least": lengths[0], "most": lengths[-1], "all": sum(lengths)},
        "answer_tokens": sum(n for _, n in answers["one_by_one"]),
        **{name: with_ratios(name, spent, answers) for name in ways},
        "perplexity": perplexity,
    }


def plain(engine: Any, texts: Sequence[str], batch_size: int) -> Answers:
    """`model.generate` on the prompts in their order, so many at a time."""
    import torch

    found = []
    for start in range(0, len(texts), batch_size):
        inputs = engine.tokenizer(
            texts[start : start + batch_size],
            return_tensors="pt",
            padding=True,
            add_special_tokens=False,
        )
        with torch.inference_mode():
            output = engine.model.generate(**inputs.to(engine.model.device))
        for ids in output[:, inputs["input_ids"].shape[1] :].tolist():
            answer = engine.chat.prediction(ids)
            found.append((answer.text, answer.n_tokens))
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What work returns, and its wall seconds and CPU seconds of all threads."""
    wall, cpu = time.monotonic(), time.process_time()
    found = work()
    return found, {
        "wall_s": round(time.monotonic() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
    }


def with_ratios(
    name: str, spent: dict[str, dict[str, float]], answers: dict[str, Answers]
) -> dict[str, float]:
    """Seconds of one way, how many times ours they are, and the share of equal answers."""
    own, ours, single = spent[name], spent["tuneline"], answers["one_by_one"]
    equal = sum(a == b for a, b in zip(answers[name], single, strict=True))
    n_tokens = sum(n for _, n in answers[name])
    return {
        **own,
        "tokens_per_s": round(n_tokens / own["wall_s"], 1),
        "wall_ratio": round(own["wall_s"] / ours["wall_s"], 2),
        "cpu_ratio": round(own["cpu_s"] / ours["cpu_s"], 2),
        "equal_to_one_by_one": round(equal / len(single), 3),
    }


if __name__ == "__main__":
    main()
