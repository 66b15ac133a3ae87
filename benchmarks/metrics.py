"""Metrics against rouge-score, rouge-chinese and LLaMA-Factory: pairs per second, equal scores.

    python -m benchmarks.metrics --data FOLDER [--rows 10000] [--sample 500]

Pairs are made of real sentences of the folder's JSON and JSONL files (`dedup_corpus`): a reference
of 2-6 sentences, and a prediction that has about half of them and others instead. Our metrics score
all pairs, the others a sample of them. Writes `benchmarks/results/metrics.json` and prints the
README's table. LLaMA-Factory's code lies in a folder of its own under `workspace/benchmarks`.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jieba
import psutil
import rjieba

from benchmarks import metrics_peers as peers
from benchmarks.dedup import commit, sources
from benchmarks.dedup_corpus import JOINERS, read_sentences
from benchmarks.demo import cpu_name
from benchmarks.metrics_peers import KINDS, Pairs, Scores
from tuneline.evaluation.metrics import METRICS
from tuneline.evaluation.scoring import score_pairs
from tuneline.evaluation.words import word_lines, words

ROOT = Path(__file__).parents[1]
SEED = 7
KEPT = 0.5
"""Share of the reference's sentences that a prediction has."""
PACKAGES = ("rouge-score", "rouge-chinese", "jieba", "nltk", "rapidfuzz", "rjieba", "sacrebleu")
ROUNDED = 6e-7
"""LLaMA-Factory rounds to 1e-6 of a score; rouge_chinese adds 1e-8 to a denominator."""


def main() -> None:
    """Measure every tool in both languages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=500)
    arguments = parser.parse_args()
    folder = ROOT / "workspace" / "benchmarks" / "llamafactory-metric"
    jieba.setLogLevel("ERROR")
    peers.install_llamafactory(folder)
    llamafactory = peers.llamafactory(folder)
    sentences = read_sentences(arguments.data)
    rows = {
        language: measure(
            make_pairs(sentences[language], language, arguments.rows),
            arguments.sample,
            language,
            llamafactory,
        )
        for language in ("en", "zh")
    }
    result = {
        "command": f"python -m benchmarks.metrics --data FOLDER --rows {arguments.rows} "
        f"--sample {arguments.sample}",
        "commit": commit(),
        "machine": {
            "cpu": cpu_name(),
            "cores": psutil.cpu_count(),
            "load": [round(load, 1) for load in psutil.getloadavg()],
            "python": sys.version.split()[0],
        },
        "seed": SEED,
        "data": sources(arguments.data),
        "versions": {n: version(n) for n in PACKAGES} | {"llamafactory": peers.LLAMAFACTORY},
        "unit": "pairs per CPU second of one thread; tokenizing included unless it says so",
        "lowest_ratio": min(r["ratio"] for found in rows.values() for r in found["peers"].values()),
        "languages": rows,
    }
    path = ROOT / "benchmarks" / "results" / "metrics.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(table(rows))


def make_pairs(sentences: list[str], language: str, n: int) -> Pairs:
    """N predictions and references of real sentences."""
    rng = random.Random(f"{SEED} {language} {n}")
    pairs = []
    for _ in range(n):
        reference = rng.choices(sentences, k=rng.randint(2, 6))
        prediction = [s if rng.random() < KEPT else rng.choice(sentences) for s in reference]
        pairs.append((JOINERS[language].join(prediction), JOINERS[language].join(reference)))
    return pairs


def measure(
    pairs: Pairs, n_sample: int, language: str, llamafactory: Callable[[Pairs], Scores]
) -> dict[str, Any]:
    """Speeds, ratios and largest differences of scores in one language."""
    sample = pairs[:n_sample]
    warm_up(sample[:2], language, llamafactory)
    four = ["rouge1", "rouge2", "rougeL", "bleu"]
    ours = {
        "ROUGE-1, 2, L, Lsum": timed(our_scores(KINDS), pairs),
        "ROUGE-1, 2, L": timed(our_scores(KINDS[:3]), pairs),
        "ROUGE-1, 2, L and BLEU": timed(our_scores(four), pairs),
        "all general metrics": timed(
            our_scores([n for n in METRICS if METRICS[n].is_general]), pairs
        ),
    }
    costs = {"words": timed(cut_words, pairs), "ROUGE-1, 2, L of cut words": timed_warm(sample)}
    if language == "zh":
        costs["jieba, which the others cut by"] = timed(cut_by_jieba, sample)
    found = {"rouge-score": against_rouge_score(sample, language, ours["ROUGE-1, 2, L, Lsum"])}
    if language == "zh":
        found["rouge-chinese"] = against_rouge_chinese(sample, ours["ROUGE-1, 2, L"])
    found["llamafactory"] = against_llamafactory(
        sample, language, llamafactory, ours["ROUGE-1, 2, L and BLEU"]
    )
    return {
        "pairs": len(pairs),
        "sample": len(sample),
        "characters_per_text": round(sum(len(p) + len(r) for p, r in pairs) / 2 / len(pairs)),
        "tuneline": ours,
        "costs": costs,
        "peers": found,
    }


def our_scores(names: list[str]) -> Callable[[Pairs], Scores]:
    """Score pairs as the product does, with no word remembered from before."""

    def score(pairs: Pairs) -> Scores:
        word_lines.cache_clear()
        metrics = {name: METRICS[name] for name in names}
        return score_pairs(metrics, [p for p, _ in pairs], [r for _, r in pairs])  # type: ignore[return-value]

    return score


def against_rouge_score(sample: Pairs, language: str, ours: float) -> dict[str, Any]:
    """The same four scores."""
    theirs = peers.rouge_score(sample, language)
    speed = timed(lambda pairs: peers.rouge_score(pairs, language), sample)
    return {
        "pairs_per_s": speed,
        "ratio": round(ours / speed, 1),
        "largest_difference": largest_difference(our_scores(KINDS)(sample), theirs),
    }


def against_rouge_chinese(sample: Pairs, ours: float) -> dict[str, Any]:
    """Its usual call for the time; for the scores words that both cut alike, counted as often."""
    speed = timed(peers.rouge_chinese, sample)
    plain = [(peers.PUNCTUATION.sub("", p), peers.PUNCTUATION.sub("", r)) for p, r in sample]
    alike = [pair for pair in plain if all(jieba.lcut(t) == list(words(t)) for t in pair)]
    theirs = peers.rouge_chinese(alike, exclusive=False)
    return {
        "pairs_per_s": speed,
        "ratio": round(ours / speed, 1),
        "cut_alike": len(alike),
        "largest_difference": largest_difference(our_scores(KINDS[:3])(alike), theirs),
        "its_definition": by_its_definition(sample, peers.rouge_chinese(sample), speed),
    }


def against_llamafactory(
    sample: Pairs, language: str, score: Callable[[Pairs], Scores], ours: float
) -> dict[str, Any]:
    """Three ROUGE and a BLEU each; its BLEU is another one, of characters."""
    speed = timed(score, sample)
    scores = score(sample)
    theirs = {ours: scores[name] for name, ours in peers.THEIR_NAMES.items()}
    return {
        "pairs_per_s": speed,
        "ratio": round(ours / speed, 1),
        "its_definition": by_its_definition(sample, theirs, speed),
        "mean_bleu": {
            "llamafactory": mean(scores["bleu-4"]),
            "tuneline": mean(our_scores(["bleu"])(sample)["bleu"]),
        },
    }


def by_its_definition(sample: Pairs, theirs: Scores, speed: float) -> dict[str, Any]:
    """Sets of n-grams with punctuation, by our means: how fast, and on how many pairs equal.

    jieba and rjieba cut most Chinese alike, and English not.
    """
    found = {}
    for name, cut in (("rjieba", rjieba.cut), ("jieba", jieba.lcut)):
        fast = timed(partial(peers.by_sets, cut=cut), sample)
        ours = peers.by_sets(sample, cut)
        rows = zip(*(zip(ours[n], theirs[n], strict=True) for n in ours), strict=True)
        equal = sum(all(abs(a - b) <= ROUNDED for a, b in row) for row in rows)
        apart = {n: round(mean(ours[n]) - mean(theirs[n]), 4) for n in ours}
        found[name] = {
            "pairs_per_s": fast,
            "ratio": round(fast / speed, 1),
            "equal": equal,
            "difference_of_means": apart,
        }
    return found


def largest_difference(ours: Scores, theirs: Scores) -> float:
    """Over all pairs and all metrics that both have."""
    names = ours.keys() & theirs.keys()
    return max(abs(a - b) for n in names for a, b in zip(ours[n], theirs[n], strict=True))


def mean(values: list[float]) -> float:
    """Rounded for people."""
    return round(sum(values) / len(values), 4)


def cut_words(pairs: Pairs) -> None:
    """What no score can do without."""
    word_lines.cache_clear()
    for pair in pairs:
        for text in pair:
            words(text)


def cut_by_jieba(pairs: Pairs) -> None:
    """What the other tools do instead."""
    for pair in pairs:
        for text in pair:
            jieba.lcut(text)


def timed_warm(pairs: Pairs) -> float:
    """Pairs per CPU second of ROUGE-1, 2, L where the words are there."""
    cut_words(pairs)
    texts, references = [p for p, _ in pairs], [r for _, r in pairs]
    started = time.process_time()
    for name in KINDS[:3]:
        METRICS[name].score(texts, references)
    return round(len(pairs) / (time.process_time() - started))


def timed(function: Callable[[Pairs], object], pairs: Pairs) -> float:
    """Pairs per CPU second."""
    started = time.process_time()
    function(pairs)
    speed = len(pairs) / (time.process_time() - started)
    return round(speed, 1) if speed < 1000 else round(speed)


def warm_up(pairs: Pairs, language: str, llamafactory: Callable[[Pairs], Scores]) -> None:
    """Let everything load its dictionary."""
    our_scores(list(METRICS)[:8])(pairs)
    peers.rouge_score(pairs, language)
    peers.rouge_chinese(pairs)
    llamafactory(pairs)


def table(rows: dict[str, Any]) -> str:
    """The README's."""
    lines = [
        "| language | tool | pairs/s | tuneline, the same scores | ratio |",
        "|---|---|---|---|---|",
    ]
    same = {
        "rouge-score": "ROUGE-1, 2, L, Lsum",
        "rouge-chinese": "ROUGE-1, 2, L",
        "llamafactory": "ROUGE-1, 2, L and BLEU",
    }
    for language, found in rows.items():
        for tool, peer in found["peers"].items():
            ours = found["tuneline"][same[tool]]
            lines.append(
                f"| {language} | {tool} | {peer['pairs_per_s']:,} | {ours:,} ({same[tool]}) "
                f"| {peer['ratio']} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
