"""Near-dedup against datasketch, rensa, gaoya and text-dedup: precision, recall, speed, memory.

    python -m benchmarks.dedup [--data FOLDER] [--rows 10000 ...] [--work FOLDER]

Documents are made of real sentences of the folder's JSON and JSONL files, with planted copies
(`dedup_corpus`); truth are the components of the exact graph of Jaccard >= 0.7 (`dedup_truth`);
each tool reads the same Parquet file in a process of its own (`dedup_tools`). Writes
`benchmarks/results/dedup.json` and prints the table of the README. Corpora and truth stay in the
work folder for the next run; text-dedup gets an environment of its own there.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import textwrap
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.dedup_corpus import read_sentences, write_corpus
from benchmarks.dedup_tools import THRESHOLD, TOOLS
from benchmarks.dedup_truth import (
    Sets,
    components_by_arrays,
    components_by_sets,
    precision_and_recall,
    word_shingles,
)
from benchmarks.demo import cpu_name

ROOT = Path(__file__).parents[1]
OURS, TEXT_DEDUP = "tuneline", "text-dedup"
TEXT_DEDUP_VERSION = "0.4.0"
SEED = 7
MIN_SENTENCES = 500
MAX_S, MAX_GIB = 30 * 60, 16
TEXT_DEDUP_UP_TO = PYTHON_TRUTH_UP_TO = 100_000
TRUTH = (
    "components of the exact graph of Jaccard >= 0.7 over pairs of tokens (en: words, numbers, "
    "symbols) or of letters and digits (zh), in NFKC and lower case. Shingles are strings made "
    "with re. Pairs come from a prefix filter: on Python sets up to 100,000 rows, compiled above; "
    "where both run they agree (truths_agree). words_only compares with pairs of words, symbols "
    "left out."
)


def main() -> None:
    """Measure every tool on every size and language."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "examples")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--work", type=Path, default=ROOT / "workspace" / "benchmarks" / "dedup")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    sentences = read_sentences(arguments.data)
    languages = [name for name, found in sentences.items() if len(found) >= MIN_SENTENCES]
    if not languages:
        raise SystemExit(f"{arguments.data}: fewer than {MIN_SENTENCES} sentences; name more data")
    results = []
    for n_rows in arguments.rows:
        for language in languages:
            file = work / f"{language}-{n_rows}.parquet"
            if not file.exists():
                write_corpus(file, sentences[language], language, n_rows, SEED)
            results.append(measure(file, language, n_rows))
    result = {
        "command": "python -m benchmarks.dedup --data FOLDER",
        "commit": commit(),
        "machine": {
            "cpu": cpu_name(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "python": sys.version.split()[0],
        },
        "seed": SEED,
        "data": sources(arguments.data),
        "sentences": {language: len(sentences[language]) for language in languages},
        "threshold": THRESHOLD,
        "truth": TRUTH,
        "versions": {
            **{name: version(name) for name in ("datasketch", "rensa", "gaoya", "numba")},
            TEXT_DEDUP: TEXT_DEDUP_VERSION,
        },
        "settings": {name: " ".join(str(run.__doc__).split()) for name, run in TOOLS.items()},
        "results": results,
    }
    path = Path(__file__).parent / "results" / "dedup.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(table(results))


def measure(file: Path, language: str, n_rows: int) -> dict[str, Any]:
    """All tools on one file, the ratio to the best peer, and whether row order matters to us."""
    truth, truths_agree = load_truth(file, language, n_rows)
    words = None
    if language == "en" and n_rows <= PYTHON_TRUTH_UP_TO:
        words = components_by_arrays(Sets(read_texts(file), language, word_shingles), THRESHOLD)
    tools: dict[str, dict[str, Any]] = {}
    for tool in TOOLS:
        if tool == TEXT_DEDUP and n_rows > TEXT_DEDUP_UP_TO:
            tools[tool] = {"not_run": "measured up to 100,000 rows only"}
        else:
            tools[tool] = run_tool(tool, file, language, n_rows, truth, words)
        print(n_rows, language, tool, tools[tool], flush=True)
    result: dict[str, Any] = {"rows": n_rows, "language": language, "truths_agree": truths_agree}
    return {
        **result,
        **best_peer(tools),
        "is_deterministic": is_deterministic(file, language),
        "tools": tools,
    }


def load_truth(file: Path, language: str, n_rows: int) -> tuple[NDArray[np.int64], bool | None]:
    """Labels of the true components, and whether both implementations agree (None: one ran)."""
    stored = file.with_name(f"{file.stem}-truth.npy")
    if n_rows > PYTHON_TRUTH_UP_TO and stored.exists():
        return np.load(stored), None
    sets = Sets(read_texts(file), language)
    truth = components_by_arrays(sets, THRESHOLD)
    np.save(stored, truth)
    if n_rows > PYTHON_TRUTH_UP_TO:
        return truth, None
    return truth, precision_and_recall(components_by_sets(sets, THRESHOLD), truth) == (1, 1)


def run_tool(
    tool: str,
    file: Path,
    language: str,
    n_rows: int,
    truth: NDArray[np.int64],
    words: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """One tool in a process of its own; a reason where it does not finish."""
    out = file.with_name(f"{file.stem}-{tool}")
    reason = start_tool(tool, file, language, out)
    if reason:
        return {"not_run": reason}
    measured = json.loads(out.with_suffix(".json").read_text())
    labels = np.load(out.with_suffix(".npy"))
    precision, recall = precision_and_recall(labels, truth)
    result = {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "docs_per_cpu_s": round(n_rows / measured["cpu_s"]),
        "cpu_s": round(measured["cpu_s"], 2),
        "peak_rss_mib": measured["peak_rss_mib"],
    }
    if words is not None:
        precision, recall = precision_and_recall(labels, words)
        result["words_only"] = {"precision": round(precision, 4), "recall": round(recall, 4)}
    return result


def start_tool(tool: str, file: Path, language: str, out: Path) -> str | None:
    """Run `dedup_tools`; returns why it did not finish, if so."""
    python = text_dedup_python(file.parent) if tool == TEXT_DEDUP else sys.executable
    script = Path(__file__).with_name("dedup_tools.py")
    command = [str(part) for part in (python, script, tool, file, language, out)]
    log = out.with_name(f"{out.name}.log")
    started = time.monotonic()
    with log.open("w") as stream:
        process = psutil.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        while process.poll() is None:
            time.sleep(0.5)
            reason = None
            if time.monotonic() - started > MAX_S:
                reason = f"not finished after {MAX_S // 60} minutes"
            elif process.is_running() and process.memory_info().rss > MAX_GIB * 2**30:
                reason = f"needs more than {MAX_GIB} GiB"
            if reason:
                process.kill()
                process.wait()
                return reason
    if process.returncode:
        return f"failed: {log.read_text().strip().splitlines()[-1]}"
    return None


def text_dedup_python(work: Path) -> Path:
    """Its own environment: its dependencies exclude ours."""
    python = work / "text-dedup-env" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        package = f"text-dedup=={TEXT_DEDUP_VERSION}"
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return python


def best_peer(tools: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Our speed over that of the fastest peer with our recall minus 0.01, else of the fastest.

    Returns:
        best_peer, ratio_to_best_peer and has_our_recall (of the best peer).
    """
    ours = tools[OURS]
    peers = {name: tool for name, tool in tools.items() if name != OURS and "recall" in tool}
    equal = {name: p for name, p in peers.items() if p["recall"] >= ours["recall"] - 0.01}
    name = max(equal or peers, key=lambda name: peers[name]["docs_per_cpu_s"])
    ratio = ours["docs_per_cpu_s"] / peers[name]["docs_per_cpu_s"]
    return {
        "ratio_to_best_peer": round(ratio, 2),
        "best_peer": name,
        "has_our_recall": name in equal,
    }


def is_deterministic(file: Path, language: str) -> bool:
    """Whether the same texts stay when the rows come in another order."""
    shuffled = file.with_name(f"{file.stem}-shuffled.parquet")
    texts = pq.read_table(file)
    order = np.random.default_rng(SEED).permutation(len(texts))
    pq.write_table(texts.take(order), shuffled, row_group_size=10_000)
    out = shuffled.with_suffix("")
    reason = start_tool(OURS, shuffled, language, out)
    if reason:
        raise RuntimeError(reason)
    kept = kept_texts(file, file.with_name(f"{file.stem}-{OURS}.npy"))
    is_same = kept == kept_texts(shuffled, out.with_suffix(".npy"))
    shuffled.unlink()
    return is_same


def kept_texts(file: Path, labels: Path) -> list[bytes]:
    """Sorted digests of the texts that stay."""
    roots = np.unique(np.load(labels))
    texts = pq.read_table(file)["text"].take(roots).to_pylist()
    return sorted(hashlib.sha256(text.encode()).digest() for text in texts)


def read_texts(file: Path) -> list[str]:
    """All texts of a corpus."""
    texts: list[str] = pq.read_table(file)["text"].to_pylist()
    return texts


def sources(folder: Path) -> dict[str, str]:
    """Name -> licence of the data, from the SOURCE.md or README.md beside each set."""
    found = {}
    for path in sorted([*folder.glob("*/SOURCE.md"), *folder.glob("*/README.md")]):
        licence = re.search(r"(?i)licen[cs]e:\s*(.*)", path.read_text())
        text = licence[1] if licence else "see its README.md"
        found[path.parent.name] = textwrap.shorten(text, 200, placeholder=" ...")
    return found


def commit() -> str:
    """Commit of the checkout; `+` where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def table(results: list[dict[str, Any]]) -> str:
    """Markdown, a line per size and language: each tool, and the ratio."""
    lines = [f"| rows | language | {' | '.join(TOOLS)} | ours over the best peer |"]
    lines.append("|" + "---|" * (len(TOOLS) + 3))
    for result in results:
        cells = [
            "{docs_per_cpu_s:,} · {precision:.3f} / {recall:.3f} · {peak_rss_mib:,}".format(**tool)
            if "recall" in tool
            else "-"
            for tool in result["tools"].values()
        ]
        ratio = f"{result['ratio_to_best_peer']:.1f} x {result['best_peer']}"
        lines.append(
            f"| {result['rows']:,} | {result['language']} | {' | '.join(cells)} | {ratio} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
