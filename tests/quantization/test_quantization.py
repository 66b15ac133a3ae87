"""Variants are compared answer by answer, and what is measured is what was saved."""

from pathlib import Path

import pytest
import torch

from tuneline.base_model import load_model
from tuneline.evaluation.rouge import rouge_l
from tuneline.machine import this_machine
from tuneline.quantization.comparison import Measured, compare_variants
from tuneline.quantization.methods import QUANTIZATIONS, size_mib
from tuneline.reports import Score

SCORE = Score(0.5, 0.2, 0.8, 4)


def test_answers_are_exact_similar_or_different():
    reference = Measured("bf16", 2.0, 10.0, SCORE, ["Yes", "a b c d e", "a b c d e", "x"])
    variant = Measured("nf4", 1.0, 9.0, SCORE, ["yes ", "a b c d f", "v w x y z", None])
    report = compare_variants([reference, variant], rouge_l, 0.6)
    first, second = report.variants
    assert (first.exact, first.similar, first.different) == (4, 0, 0)
    # ROUGE-L of "a b c d f" and "a b c d e" is 4/5
    assert (second.exact, second.similar, second.different) == (1, 1, 2)


@pytest.mark.parametrize("name", QUANTIZATIONS)
def test_a_saved_variant_loads_smaller_and_computes_the_same(name, tiny_model, tmp_path: Path):
    machine = this_machine()
    QUANTIZATIONS[name](tiny_model.folder, machine, tmp_path)
    assert 0 < size_mib(tmp_path) < size_mib(tiny_model.folder)
    ids = torch.arange(5, 25).unsqueeze(0)
    logits = []
    for _ in range(2):
        model = load_model(tmp_path, machine).eval()
        with torch.inference_mode():
            logits.append(model(input_ids=ids.to(model.device)).logits.float())
    reference = load_model(tiny_model.folder, machine).eval()
    with torch.inference_mode():
        exact = reference(input_ids=ids.to(reference.device)).logits.float()
    assert torch.equal(*logits)
    similarity = torch.nn.functional.cosine_similarity(logits[0], exact, dim=-1).mean()
    assert similarity > 0.9
