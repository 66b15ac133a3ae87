"""Other tools' scores of pairs of texts, for `benchmarks.metrics`."""

import re
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import jieba
import numpy as np
from rapidfuzz.distance import LCSseq
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer

from tuneline.evaluation.rouge import f1, n_common
from tuneline.evaluation.words import words

Pairs = Sequence[tuple[str, str]]
"""(prediction, reference)."""
Scores = dict[str, list[float]]
"""Metric -> one score per pair."""

KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
LLAMAFACTORY = "0.9.5"
THEIR_NAMES = {"rouge-1": "rouge1", "rouge-2": "rouge2", "rouge-l": "rougeL"}
PUNCTUATION = re.compile(r"[^\w\s]|_")


class _Words(Tokenizer):  # type: ignore[misc]
    def tokenize(self, text: str) -> list[str]:
        return list(words(text))


def rouge_score(pairs: Pairs, language: str) -> Scores:
    """Google's rouge_score; for Chinese with our words, as its own drop every character."""
    scorer = RougeScorer(KINDS, tokenizer=_Words() if language == "zh" else None)
    scored = [scorer.score(reference, text) for text, reference in pairs]
    return {kind: [float(scores[kind].fmeasure) for scores in scored] for kind in KINDS}


def rouge_chinese(pairs: Pairs, *, exclusive: bool = True) -> Scores:
    """rouge_chinese as its README shows it: jieba's words, joined by spaces."""
    rouge = Rouge(exclusive=exclusive)
    scored = [
        rouge.get_scores(" ".join(jieba.cut(text)), " ".join(jieba.cut(reference)))[0]
        for text, reference in pairs
    ]
    return {ours: [s[theirs]["f"] for s in scored] for theirs, ours in THEIR_NAMES.items()}


def by_sets(pairs: Pairs, cut: Callable[[str], list[str]]) -> Scores:
    """The definition of rouge_chinese by our means: sets of n-grams, punctuation kept."""
    scores: Scores = {name: [] for name in THEIR_NAMES.values()}
    for text, reference in pairs:
        one, other = (" ".join(cut(t)).split() for t in (text, reference))
        pieces = [(set(one), set(other)), (set(pairwise(one)), set(pairwise(other)))]
        for name, (left, right) in zip(("rouge1", "rouge2"), pieces, strict=True):
            scores[name].append(f1(n_common(left, right), len(left), len(right)))
        scores["rougeL"].append(f1(LCSseq.similarity(one, other), len(one), len(other)))
    return scores


def install_llamafactory(folder: Path) -> None:
    """Put LLaMA-Factory's own code into a folder, without what it needs."""
    if not (folder / "llamafactory").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
        subprocess.run([*pip, f"llamafactory=={LLAMAFACTORY}"], check=True)


def llamafactory(folder: Path) -> Callable[[Pairs], Scores]:
    """LLaMA-Factory's `ComputeSimilarity`, its `train/sft/metric.py` as installed.

    The packages around it start its trainer: they are left empty, and so is decoding, which here
    costs it nothing.
    """
    sys.path.append(str(folder))
    for name in ("llamafactory.train", "llamafactory.train.sft"):
        module = types.ModuleType(name)
        module.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = module
    from llamafactory.train.sft.metric import ComputeSimilarity

    def score(pairs: Pairs) -> Scores:
        metric = ComputeSimilarity(_Texts([*(p for p, _ in pairs), *(r for _, r in pairs)]))
        ids = np.arange(2 * len(pairs)).reshape(2, -1, 1)
        metric(types.SimpleNamespace(predictions=ids[0], label_ids=ids[1]), compute_result=False)
        return {name: [value / 100 for value in v] for name, v in metric.score_dict.items()}

    return score


class _Texts:
    """A tokenizer whose ids are whole texts."""

    pad_token_id = 0

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def batch_decode(self, ids: np.ndarray, skip_special_tokens: bool) -> list[str]:
        return [self.texts[row[0]] for row in ids]
