"""KL, agreement and perplexity against torch and against numbers by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tuneline.fidelity import Distributions, FidelityMeter, log_softmax


def logits(seed: int, n_tokens: int = 7, vocabulary: int = 1000, scale: float = 5.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (scale * generator.standard_normal((n_tokens, vocabulary))).astype(np.float32)


def test_numbers_by_hand():
    """Reference (1/2, 1/2), other (1/4, 3/4): KL = ln 2 / 2 + ln(2/3) / 2; token 0 has 1/4."""
    reference, other = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    meter = FidelityMeter()
    meter.add(reference.astype(np.float32), other.astype(np.float32), [0])
    result = meter.result()
    assert result.kl == pytest.approx((math.log(2) + math.log(2 / 3)) / 2, rel=1e-5)
    assert result.perplexity == pytest.approx(4)
    assert result.reference_perplexity == pytest.approx(2)
    assert (result.top1_agreement, result.n_tokens) == (0.0, 1)  # of equal ones the first is taken


@pytest.mark.parametrize(("tie", "expected"), [(0.0, 0.0), (0.05, 0.0), (0.5, 0.5)])
def test_of_two_tokens_nearly_as_likely_either_may_be_on_top(tie: float, expected: float):
    """The reference holds the other's top token 0.1 nats below its own, then 1 nat below."""
    reference = np.array([[0.0, -0.1], [0.0, -1.0]], dtype=np.float32)
    meter = FidelityMeter(tie)
    meter.add(log_softmax(reference), np.array([[0, 1], [0, 1]], dtype=np.float32), [0, 0])
    assert meter.result().top1_agreement == expected


def test_kl_equals_torch():
    a, b = logits(0), logits(1)
    meter = FidelityMeter()
    meter.add(log_softmax(a), b, list(range(7)))
    p, q = (torch.from_numpy(x).double().log_softmax(-1) for x in (a, b))
    expected = torch.nn.functional.kl_div(q, p, reduction="batchmean", log_target=True)
    assert meter.result().kl == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("noise", [0.003, 0.03, 0.3])
def test_the_16_bit_file_moves_a_small_divergence_by_little(tmp_path: Path, noise: float):
    """Q8_0 of a small model differs by about 0.001 nats; that must still be seen."""
    stored = Distributions(tmp_path)
    exact, rounded = FidelityMeter(), FidelityMeter()
    for i in range(20):
        a = logits(i)
        b = a + noise * logits(100 + i, scale=1)
        stored.save(i, a)
        exact.add(log_softmax(a), b, [0] * 7)
        rounded.add(stored.load(i), b, [0] * 7)
    assert rounded.result().kl == pytest.approx(exact.result().kl, rel=0.05, abs=2e-6)


def test_a_model_does_not_differ_from_itself(tmp_path: Path):
    stored = Distributions(tmp_path)
    stored.save(0, logits(0))
    meter = FidelityMeter()
    meter.add(stored.load(0), logits(0), list(range(7)))
    assert meter.result().kl < 2e-6
    assert meter.result().top1_agreement == 1


def test_what_was_not_saved_to_its_end_is_not_there(tmp_path: Path):
    stored = Distributions(tmp_path)
    (tmp_path / "000000.partial").write_bytes(b"half")
    assert not stored.has(0)
    stored.save(0, logits(0))
    assert stored.has(0)


def test_two_vocabularies_are_not_compared():
    with pytest.raises(ValueError, match=r"\(7, 1000\) and \(7, 999\)"):
        FidelityMeter().add(logits(0), logits(0, vocabulary=999), [0] * 7)


def test_nothing_compared_is_an_error_and_not_a_zero():
    with pytest.raises(ValueError, match="no token"):
        FidelityMeter().result()
