"""What was measured becomes a report, a recommendation and a picture."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import yes_no_records
from tuneline.quantization.comparison import Judge, Rows
from tuneline.quantization.config import QuantizationConfig, Target
from tuneline.quantization.measuring import Measurement
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.quantization.picture import draw_pareto, pareto_front
from tuneline.quantization.recommendation import recommend
from tuneline.quantization.table import AskedAgain, Prompts, Tried, assemble
from tuneline.reports import (
    Fidelity,
    QuantizationReport,
    Score,
    StoredWeights,
    VariantVerdict,
    load_report,
    save_report,
)

N = 40
RECORDS = yes_no_records(N)


def likeness(answers, others) -> list[float]:
    return [0.0] * len(answers)


def answers(*others: int) -> Rows:
    """`Yes` everywhere but on these prompts."""
    texts = ["other" if i in others else "Yes" for i in range(N)]
    return Rows(["even"] * N, list(texts), [float(text == "Yes") for text in texts])


def tried(name: str, rows: Rows, size: float, speed: float, kl: float = 0.0, **stored) -> Tried:
    fidelity = Fidelity(1.0, kl, 1.1, 1.1, 100)
    return Tried(
        name, QUANTIZATIONS[name], f"/models/{name}", f"digest of {name}", rows,
        Score(sum(rows.scores) / N, 0.5, 1.0, N), speed,
        StoredWeights(size, 8.0, {"int8": 14}, **stored), Measurement(1.0, 2 * size, fidelity),
    )  # fmt: skip


@pytest.fixture
def report() -> QuantizationReport:
    models = [
        tried("bf16", answers(), 200, 20),
        tried("int8", answers(3), 110, 15, 0.001),
        tried("nf4", answers(*range(20)), 60, 25, 0.2),
    ]
    again = {"bf16": AskedAgain(answers(3, 4), "in batches of 2")}
    prompts = Prompts(RECORDS, Judge({}, likeness, 0.6), again)
    return assemble(models, prompts, QuantizationConfig(variants=("int8", "nf4")), "cpu")


def test_every_variant_is_compared_with_its_reference_and_counts_add_up(report):
    counts = [(v.name, v.exact, v.similar, v.different) for v in report.variants]
    assert counts == [("bf16", 40, 0, 0), ("int8", 39, 0, 1), ("nf4", 20, 0, 20)]
    assert report.n_prompts == 40


def test_the_noise_floor_stands_beside_the_variants(report):
    (floor,) = report.noise
    assert (floor.reference, floor.different, floor.n) == ("bf16", 2, 40)
    int8 = report.variants[1].slices["all"]
    assert (int8.unstable, int8.different_beyond_noise) == (2, 0)


def test_the_reference_is_not_judged_and_variants_are(report):
    verdicts = {v.name: v.gate and v.gate.verdict for v in report.variants}
    assert verdicts == {"bf16": None, "int8": "cannot tell", "nf4": "fail"}
    assert "0 of 38 answers differ" in report.variants[1].gate.reasons[0]


def test_different_answers_stand_side_by_side(report):
    (answer,) = report.variants[1].different_answers
    assert (answer.prompt, answer.reference_answer, answer.answer) == (
        "Is 3 even?", "Yes", "other",
    )  # fmt: skip
    assert answer.is_unstable
    assert len(report.variants[2].different_answers) == 20


def test_a_report_is_the_same_after_it_was_saved(report, tmp_path: Path):
    save_report(tmp_path / "report.json", report)
    assert load_report(tmp_path / "report.json", QuantizationReport) == report


def test_fallbacks_that_cost_bits_are_remarked():
    models = [
        tried("bf16", answers(), 200, 20),
        tried("nf4", answers(), 60, 20, fallbacks=("a: BF16",), asked_bits_per_weight=4.5),
        tried("int8", answers(), 60, 20, fallbacks=("a: BF16",), asked_bits_per_weight=7.9),
    ]
    prompts = Prompts(RECORDS, Judge({}, likeness, 0.6), {})
    made = assemble(models, prompts, QuantizationConfig(), "cpu", remarks=("first",))
    assert made.remarks[0] == "first"
    (remark,) = made.remarks[1:]
    assert remark.startswith("nf4: 1 of 14 tensors are stored in a wider type")
    assert "8.0 bits per weight instead of 4.5" in remark


def passing(report: QuantizationReport, *names: str):
    ok = VariantVerdict("pass", ())
    return [replace(v, gate=ok) if v.name in names else v for v in report.variants]


def targets(**changes) -> dict[str, Target]:
    kind = {"device": "cpu", "memory_gib": 16, "engines": ("transformers",), **changes}
    return {"box": Target(**kind)}


def test_a_target_gets_the_fastest_or_the_nearest_of_what_passes(report):
    variants = passing(report, "int8", "nf4")
    (fast,) = recommend(variants, targets(prefers="speed"), "cpu")
    (near,) = recommend(variants, targets(prefers="quality"), "cpu")
    assert (fast.variant, near.variant) == ("nf4", "bf16")
    assert "fastest of what passes and fits (25 tokens/s, 120 MiB" in fast.reason


def test_what_does_not_fit_the_memory_is_not_recommended(report):
    (one,) = recommend(passing(report, "int8", "nf4"), targets(memory_gib=0.25), "cpu")
    assert one.variant == "int8"
    assert "bf16 needs 400 MiB" in one.reason


def test_what_fails_or_is_in_doubt_is_not_recommended(report):
    (one,) = recommend(report.variants, targets(memory_gib=0.25), "cpu")
    assert one.variant is None
    assert "int8 cannot be told from a worse model yet; nf4 fails the gate" in one.reason


def test_a_runtime_that_a_target_lacks_is_named(report):
    (one,) = recommend(report.variants, targets(engines=("llama_cpp",)), "cpu")
    assert (one.variant, "bf16 needs transformers" in one.reason) == (None, True)


def test_speeds_of_another_device_are_said_to_be_such(report):
    (one,) = recommend(report.variants, targets(device="cuda", prefers="speed"), "cpu")
    assert "speeds were measured on cpu" in one.reason


def test_the_front_has_what_no_other_variant_beats(report):
    by_size = [v.name for v in pareto_front(report.variants, lambda v: v.size_mib)]
    assert by_size == ["nf4", "int8", "bf16"]
    by_speed = [v.name for v in pareto_front(report.variants, lambda v: -v.tokens_per_s)]
    assert by_speed == ["nf4", "bf16"]  # int8 is slower and no better


def test_the_picture_is_drawn(report, tmp_path: Path):
    draw_pareto(report, tmp_path / "pareto.png")
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_variant_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="'q4' is not known; known are bf16, int8"):
        QuantizationConfig(variants=("q4",))
