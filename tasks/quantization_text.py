"""The quantization comparison in words and tables, for the run page and the terminal."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from tasks.artifacts import format_difference, format_score
from tuneline.reports import (
    ALL,
    TASK_SCORE,
    DifferentAnswer,
    QuantizationReport,
    QuantizedVariant,
)

Row = dict[str, Any]
N_SHOWN = 5
"""Different answers of a variant that are shown; all are in the report."""
MAX_SHOWN_CHARS = 300


def answer_rows(report: QuantizationReport) -> list[Row]:
    """Per variant: what it costs to keep and run, its score, and how it answers."""
    return [
        {
            "variant": v.name,
            "verdict": v.gate.verdict if v.gate else "reference",
            "MiB": v.size_mib,
            "bits/weight": v.stored.bits_per_weight if v.stored else "",
            "tok/s": v.tokens_per_s,
            TASK_SCORE: format_score(v.score),
            "exact": v.exact,
            "similar": v.similar,
            "different": v.different,
        }
        for v in report.variants
    ]


def fidelity_rows(report: QuantizationReport) -> list[Row]:
    """Per variant: distance from its reference in distributions and score, memory, load time."""
    return [
        {
            "variant": v.name,
            "against": "" if v.is_reference else v.reference,
            "top-1": f"{v.fidelity.top1_agreement:.1%}" if v.fidelity else "",
            "KL": f"{v.fidelity.kl:.2g}" if v.fidelity and not v.is_reference else "",
            "perplexity": f"{v.fidelity.perplexity:.3f}" if v.fidelity else "",
            "score change": _score_change(v),
            "peak MiB": v.peak_memory_mib or "",
            "load s": v.load_s or "",
            "stored as": stored_as(v),
        }
        for v in report.variants
    ]


def recommendation_rows(report: QuantizationReport) -> list[Row]:
    """Per target: the variant and why."""
    return [
        {"target": r.target, "variant": r.variant or "none", "why": r.reason}
        for r in report.recommendations
    ]


def sentences(report: QuantizationReport) -> list[str]:
    """Verdicts with their reasons, noise floors, merge parity, remarks."""
    found = [
        f"{v.name} against {v.reference}: {v.gate.verdict}. {'; '.join(v.gate.reasons)}"
        for v in report.variants
        if v.gate
    ]
    found += [
        f"{floor.reference} asked again {floor.how}: {floor.changed} of {floor.n} answers are not "
        f"the same, {floor.different} are different"
        for floor in report.noise
    ]
    if (parity := report.merge_parity) is not None:
        found.append(
            f"merged against its adapter: same top token at {parity.top1_agreement:.1%} of "
            f"{parity.n_tokens} answer tokens, KL {parity.kl:.2g} nats"
        )
    return [*found, *report.remarks]


def stored_as(variant: QuantizedVariant) -> str:
    """`nf4 210, BF16 62`."""
    types = variant.stored.tensor_types if variant.stored else {}
    return ", ".join(f"{kind} {n}" for kind, n in types.items())


def quantization_markdown(report: QuantizationReport, picture: Path) -> str:
    """Everything as Markdown; texts of models and records are escaped."""
    encoded = base64.b64encode(picture.read_bytes()).decode()
    parts = [
        "# Quantizations",
        "\n".join(f"- {escape(sentence, quote=False)}" for sentence in sentences(report)),
        f"![size and speed against score](data:image/png;base64,{encoded})",
        _markdown_table(fidelity_rows(report)),
        _markdown_table(recommendation_rows(report)),
    ]
    for variant in report.variants:
        if variant.different_answers:
            parts += [f"## Different answers of {variant.name}", _side_by_side(variant)]
    return "\n\n".join(part for part in parts if part)


def _score_change(variant: QuantizedVariant) -> str:
    shares = variant.slices.get(ALL)
    return format_difference(shares.difference) if shares and shares.difference else ""


def _side_by_side(variant: QuantizedVariant) -> str:
    shown = [_shown(answer, variant) for answer in variant.different_answers[:N_SHOWN]]
    left = len(variant.different_answers) - len(shown)
    more = f"\n\n{left} more are in the report." if left else ""
    return f"{_markdown_table(shown)}{more}"


def _shown(answer: DifferentAnswer, variant: QuantizedVariant) -> Row:
    return {
        "prompt": answer.prompt,
        variant.reference: answer.reference_answer,
        variant.name: answer.answer,
        "expected": answer.reference,
    }


def _markdown_table(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = " ".join(str(value).split())
    cut = text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
    return escape(cut, quote=False).replace("|", "\\|")
