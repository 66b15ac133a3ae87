"""The data stage from files to sides: seconds, CPU seconds and peak memory by number of rows.

`python -m benchmarks.data --data FOLDER --sizes 100000 1000000` writes
`benchmarks/results/data.json`. Rows are made from real sentences of the folder's JSON files, half
English, half Chinese, a fifth of them copies (see `dedup_corpus`), in files of 100,000 rows. Each
size runs in a process of its own, twice: the second run finds everything unchanged.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.dedup_corpus import read_sentences, write_corpus
from benchmarks.demo import machine

RESULT = Path(__file__).parent / "results" / "data.json"
ROWS_PER_FILE = 100_000


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("examples"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--measure", type=Path, help="internal: a folder with an inbox")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    found = {str(size): run(arguments.data, size) for size in arguments.sizes}
    RESULT.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n")
    print(RESULT.read_text())


def run(data: Path, size: int) -> dict[str, object]:
    """Make the rows and measure in a new process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inbox(data, size, folder / "inbox")
        results = []
        for _ in range(2):
            command = [sys.executable, "-m", "benchmarks.data", "--measure", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
        mib = sum(file.stat().st_size for file in (folder / "inbox").iterdir()) / 2**20
        first, again = results
        return {"input_mib": round(mib), **first, "unchanged_rerun_s": again["wall_s"]}


def write_inbox(data: Path, size: int, inbox: Path) -> None:
    """Alpaca rows: a text to repeat, and the text."""
    inbox.mkdir()
    sentences, corpus = read_sentences(data), inbox.parent / "corpus.parquet"
    texts: list[str] = []
    for language, some in sentences.items():
        write_corpus(corpus, some, language, size // 2, seed=0)
        texts += pq.read_table(corpus)["text"].to_pylist()
    for start in range(0, len(texts), ROWS_PER_FILE):
        rows = [
            {"instruction": f"{text[:60]}?", "output": text[60:]}
            for text in texts[start : start + ROWS_PER_FILE]
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (inbox / f"{start // ROWS_PER_FILE:03d}.jsonl").write_text(lines)


def measure(folder: Path) -> dict[str, object]:
    """Prepare the inbox; processes that it starts count too."""
    from joblib.externals.loky import get_reusable_executor

    from tuneline.data.config import DataConfig
    from tuneline.data.prepare import prepare, report_of
    from tuneline.store import Store

    source = {"name": "rows", "path": str(folder / "inbox"), "license": "mixed"}
    started = time.monotonic()
    output = prepare("data", DataConfig.model_validate({"sources": [source]}), Store(folder / "ws"))
    wall_s = time.monotonic() - started
    get_reusable_executor().shutdown(wait=True)  # the system counts children that have ended
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    report = report_of(output)
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
    # Not ru_maxrss of the process itself, which a new process inherits from its parent.
    status = Path("/proc/self/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    return {
        "rows": report.n_read,
        "kept": report.n_kept,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "rows_per_cpu_s": round(report.n_read / cpu_s),
        "peak_rss_mib": round(peak_kib / 2**10),
        "peak_rss_of_largest_child_mib": round(children.ru_maxrss / 2**10),
    }


if __name__ == "__main__":
    main()
