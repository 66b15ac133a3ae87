"""Pre-flight of 10,000 rows: seconds once imports are done, against encoding them one by one.

    python -m benchmarks.preflight [--rows 10000] [--profile demo]

Rows are those of the profile's train side, repeated with a number before each so that no two are
alike; the base model is the profile's, without its weights. Each part is timed five times and the
least is kept, as the machine may be busy (`load`). `one_by_one` is what `apply_chat_template` takes
row by row, on a tenth of the rows, times ten. Writes `benchmarks/results/preflight.json`.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.demo import machine

RESULT = Path(__file__).parent / "results" / "preflight.json"
SHARE, REPEATS = 10, 5


def main() -> None:
    """Measure and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--profile", default="demo")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.profile, arguments.rows, Path(folder))
    load = round(os.getloadavg()[0], 1)
    result = {"machine": machine(), "commit": commit(), "load": load, **found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT.read_text())


def measure(profile: str, n_rows: int, workspace: Path) -> dict[str, Any]:
    """Wall and CPU seconds of the whole and of its parts."""
    import transformers.models.llama.modeling_llama  # noqa: F401  an import, and no work

    from tuneline.base_model import load_tokenizer, materialize_tokenizer
    from tuneline.data.prepare import load_splits, prepare
    from tuneline.machine import this_machine
    from tuneline.preflight.architecture import read_architecture
    from tuneline.preflight.inspection import Subject, inspect
    from tuneline.preflight.licenses import Licenses
    from tuneline.preflight.rows import inspect_rows
    from tuneline.preflight.speed import this_hardware
    from tuneline.profile import load_profile
    from tuneline.store import Store

    settings, store = load_profile(profile), Store(workspace)
    folder = materialize_tokenizer(settings.base_model, store)
    sides = load_splits(prepare(settings.domain, settings.data, store, is_draft=True))
    records = numbered(sides.train, n_rows)
    config = settings.training.model_copy(update={"source_fractions": {}, "max_seq_tokens": 1024})
    licenses = Licenses(settings.base_model.license, {}, None)
    subject = Subject(
        "benchmark", folder, records, [], config, licenses, this_machine(),
        this_hardware(this_machine()),
    )  # fmt: skip
    tokenizer = load_tokenizer(folder)
    some = records[: n_rows // SHARE]
    report, whole = timed(lambda: inspect(subject))
    inspected, rows = timed(lambda: inspect_rows(records, config, tokenizer))
    _, architecture = timed(lambda: read_architecture(folder))
    _, single = timed(lambda: [render_and_tokenize(record, tokenizer) for record in some])
    assert not report.errors
    return {
        "profile": profile,
        "rows": n_rows,
        "tokens": sum(row.n_tokens for row in inspected.rows),
        "preflight": whole,
        "rows_part": rows,
        "architecture_part": architecture,
        "one_by_one": {name: round(SHARE * s, 2) for name, s in single.items()},
    }


def numbered(records: Any, n: int) -> list[Any]:
    """N records that differ, made of those given."""
    from tuneline.records import Message

    found = []
    for index in range(n):
        record = records[index % len(records)]
        first, *rest = record.messages
        numbered_first = Message(first.role, f"{index}. {first.content}")
        found.append(replace(record, messages=(numbered_first, *rest)))
    return found


def render_and_tokenize(record: Any, tokenizer: Any) -> None:
    """One row as it is done without batches: prompt and whole, each rendered and tokenized."""
    turns = [{"role": m.role, "content": m.content} for m in record.messages]
    tokenizer.apply_chat_template(turns[:-1], add_generation_prompt=True)
    tokenizer.apply_chat_template(turns)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What work returns, and the least wall seconds and CPU seconds of all threads."""
    spent = []
    for _ in range(REPEATS):
        wall, cpu = time.monotonic(), time.process_time()
        found = work()
        spent.append((time.monotonic() - wall, time.process_time() - cpu))
    walls, cpus = zip(*spent, strict=True)
    return found, {"wall_s": round(min(walls), 2), "cpu_s": round(min(cpus), 2)}


def commit() -> str:
    """Of the code that was measured."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
