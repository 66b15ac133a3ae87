"""One release with every part that a page can show."""

import dataclasses

import polars as pl

from tuneline.release.promotion import Decision
from tuneline.reporting.answers import choose_rows
from tuneline.reporting.facts import Outcome, ReleaseFacts
from tuneline.reports import (
    ALL,
    TASK_SCORE,
    Agreement,
    ClassScore,
    Comparison,
    DataReport,
    Difference,
    DifferentAnswer,
    EvalReport,
    Fidelity,
    FieldScore,
    Forgetting,
    JudgeReport,
    LabelTable,
    Latency,
    Look,
    Noise,
    NoiseFloor,
    Perplexity,
    QuantizationReport,
    QuantizedVariant,
    Recommendation,
    Regressions,
    ReviewReport,
    Score,
    SliceDifference,
    StoredWeights,
    TrainingReport,
    VariantVerdict,
    WinRate,
)

ATTACK = "<script>alert('租赁')</script>"
"""What an answer may be."""
BETTER = Difference(0.31, 0.12, 0.47, 40, "better", p_adjusted=0.002)
UNSURE = Difference(0.02, -0.11, 0.14, 13, "cannot tell", p_adjusted=0.71, more_rows=217)
SCORE = Score(0.72, 0.61, 0.82, 40, 3)


def scores(**texts_and_scores):
    """`scores.parquet` of each model: name -> list of (answer, task_score)."""
    return {
        name: pl.DataFrame(
            {
                "digest": [f"d{i}" for i in range(len(rows))],
                "source": "faq",
                "place": [f"faq.jsonl:{i + 1}" for i in range(len(rows))],
                "prompt": [f"问题 {i} {ATTACK}" for i in range(len(rows))],
                "reference": "承租人应当支付租金。",
                "prediction": [text for text, _ in rows],
                TASK_SCORE: [score for _, score in rows],
            },
            schema_overrides={"prediction": pl.String, TASK_SCORE: pl.Float64},
        )
        for name, rows in texts_and_scores.items()
    }


def report(name, value=0.72):
    score = dataclasses.replace(SCORE, value=value)
    metrics = {TASK_SCORE: score, "rougeL": score}
    identities = {"rougeL": f"rougeL|words {ATTACK}|rouge-score 0.1.2|greedy|h1"}
    return EvalReport(
        f"model-{name}",
        name,
        "h1",
        identities,
        {ALL: metrics, "faq": metrics},
        83.0,
        noise=Noise(2, 0.125, {ALL: {TASK_SCORE: 0.031}}),
        latency=Latency(0.41, 1.37, 2.53, 40),
        perplexity={ALL: Perplexity(7.31, 6.2, 8.9, 40, 900)},
        n_empty=6,
        labels={
            "faq": LabelTable(
                {ATTACK: ClassScore(None, 0.87, 0.0, 23)}, {ATTACK: {"": 3, "No": 20}}, 0.46
            )
        },
        fields={"faq": {f"rate {ATTACK}": FieldScore(0.937, 16)}},
        citations={"faq": {"exists": 19, "repealed": 8}},
    )


def different_answer(n):
    texts = (f"prompt {n} {ATTACK}", "应当支付租金", "应当支付租金", f"应当支付押金 {n}")
    return DifferentAnswer(f"d{n}", "faq", *texts, is_unstable=n == 0)


def facts(**changes):
    tables = scores(
        base=[("不知道", 0.0), ("承租人应当支付租金。", 1.0), (None, None)],
        candidate=[("承租人应当支付押金。", 1.0), (ATTACK, 0.0), ("", 0.0)],
    )
    candidate, base = report("candidate"), report("base", 0.41)
    parts = (
        SliceDifference("label", f"faq: {ATTACK}", SCORE, SCORE, BETTER),
        SliceDifference("language", "zh", SCORE, SCORE, dataclasses.replace(UNSURE, n=4)),
    )
    regressions = Regressions(5, 31, 1.0, "regressions" * 4)
    comparison = Comparison(
        candidate,
        base,
        {ALL: BETTER, "faq": UNSURE},
        metrics={TASK_SCORE: BETTER, "rougeL": UNSURE},
        slices=parts,
        regressions=regressions,
    )
    variants = (
        QuantizedVariant("bf16", 271.0, 23.0, SCORE, 12, 0, 0),
        QuantizedVariant(
            "nf4",
            105.0,
            17.0,
            SCORE,
            9,
            2,
            1,
            stored=StoredWeights(105.0, 4.56, {"nf4": 180}),
            fidelity=Fidelity(0.953, 0.0421, 8.1, 7.9, 300),
            gate=VariantVerdict("fail", (f"differs too often {ATTACK}",)),
            different_answers=tuple(different_answer(i) for i in range(9)),
        ),
    )
    whole = ReleaseFacts(
        domain="lawyer",
        decision=Decision("promote", (f"the gain is sure {ATTACK}",), "base"),
        comparisons=(comparison,),
        data=DataReport(
            100,
            90,
            {"cleaning": {"refusal": 10}},
            {"train": {"faq": 80}, "holdout": {"faq": 10}},
            {},
        ),
        training=TrainingReport(
            30,
            80,
            4_884_480,
            92.5,
            3623.5,
            ((1, 1.58), (30, 0.02)),
            ((30, 0.04),),
            "cpu, bfloat16",
            verdict="healthy",
            evidence="the loss fell",
        ),
        quantizations=QuantizationReport(
            variants,
            12,
            0.6,
            noise=(NoiseFloor("bf16", 2, 1, 12, "other batches"),),
            merge_parity=Fidelity(0.991, 0.0007, 7.9, 7.9, 411),
            recommendations=(Recommendation("cpu", "nf4", "the smallest that passes"),),
            remarks=(f"re-quantized weights {ATTACK}",),
        ),
        rows=choose_rows(tables, "candidate", "base"),
        n_rows=3,
        forecast=({"quantity": "time", "estimate": "100 s", "measured": "92 s"},),
        forgetting=Forgetting("general", SCORE, SCORE, UNSURE, 0.05, "lost", True),
        look=Look(2, 21, 20),
        origins={"packages.torch": "2.13.0"},
    )
    return dataclasses.replace(whole, **changes)


def outcome(**changes):
    given = Outcome("v1.2-lawyer-20261125", "3", "champion", "c4" * 32, "run7", "e7" * 32)
    return dataclasses.replace(given, **changes)


def review(**changes):
    people = WinRate(0.64, 0.52, 0.75, 48, 27, 14, 5, 2, "better")
    kappa = Agreement("ann", "bo", 31, 0.81, 0.63, 0.91, 0.68, 0.44, 0.86)
    judge = JudgeReport(
        f"big-model {ATTACK}", 60, 4, 1, kappa, people, "the judge agrees with people in 81.0 %"
    )
    whole = ReviewReport(
        "r1", "candidate", "base", 60, 5, 48, {"ann": 40, ATTACK: 31}, people, (kappa,), (judge,)
    )
    return dataclasses.replace(whole, **changes)
