"""Settings to begin with, from the kind and amount of data and the size of the base model. Pure.

They are where to begin and no optimum; `tuneline search` measures what is better. Sources:

- QLoRA: Dettmers et al. 2023, https://arxiv.org/abs/2305.14314 (section 4 and appendix B)
- LoRA Without Regret: Schulman et al. 2025, https://thinkingmachines.ai/blog/lora
- Tinker: https://tinker-docs.thinkingmachines.ai, LoRA primer and `hyperparam_utils`
- Unsloth: https://unsloth.ai/docs, LoRA fine-tuning hyperparameters guide
- OpenAI cookbook: data preparation for chat models, its rule for the number of epochs
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Kind = Literal["classification", "extraction", "questions", "reasoning"]
"""What the answers are: a few labels, structured data, text, or long worked-out text."""

FEW_ROWS = 500
"""Rows below which a model soon knows them by heart."""
MANY_ROWS = 10_000
MANY_QUESTIONS = 2_000
LARGE_MODEL = 13_000_000_000
"""Parameters above which the QLoRA paper halves learning rate and dropout."""
MIN_STEPS = 50
"""Optimizer steps below which a run hardly learns."""
SHORT_RUN_STEPS = 100
MAX_RANK = 256
MAX_EPOCHS = 10
ALPHA = 32


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides where to begin."""

    n_rows: int
    """Training records."""
    kind: Kind
    """Of most records."""
    answer_tokens: int | None
    """Median length of an answer, tokens; None where the tokenizer is not at hand."""
    n_parameters: int | None
    """Of the base model; None where it is not at hand."""
    hidden_size: int | None
    """Width of the base model's layers."""
    batch_records: int
    """Records per optimizer step."""
    is_preference: bool = False
    """Whether better and worse answers are compared (dpo, kto) in place of answers learned."""
    has_adapter: bool = True
    """Whether an adapter is trained, and not the model's own weights."""


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """A setting's value, why it fits, and who found that out."""

    value: T
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Settings to begin with; names are those of `TrainingConfig`."""

    rank: Choice[int]
    alpha: Choice[int]
    target_modules: Choice[str]
    learning_rate: Choice[float]
    epochs: Choice[int]
    dropout: Choice[float]


def recommend(situation: Situation) -> Recommendation:
    """Where to begin, each setting with its reason."""
    epochs = _epochs(situation)
    return Recommendation(
        rank=_rank(situation),
        alpha=Choice(
            ALPHA,
            "with alpha kept at 32 the best learning rate hardly depends on the rank",
            "LoRA Without Regret",
        ),
        target_modules=Choice(
            "all-linear",
            "adapters on attention alone learn less, even at the same number of parameters",
            "QLoRA; LoRA Without Regret",
        ),
        learning_rate=_learning_rate(situation, epochs.value),
        epochs=epochs,
        dropout=_dropout(situation),
    )


def main_kind(rows: Sequence[tuple[Kind, int]]) -> Kind:
    """The kind of most records, from (kind, records) of each source."""
    totals: dict[Kind, int] = {}
    for kind, n in rows:
        totals[kind] = totals.get(kind, 0) + n
    return max(totals, key=lambda kind: totals[kind])


def _rank(situation: Situation) -> Choice[int]:
    usual, why = _usual_rank(situation)
    needed = _needed_rank(situation)
    if needed <= usual:
        return Choice(usual, why, "Unsloth")
    return Choice(
        needed,
        f"{_answer_tokens(situation):,} answer tokens need about as many adapter parameters",
        "Tinker, LoRA primer",
    )


def _usual_rank(situation: Situation) -> tuple[int, str]:
    n = situation.n_rows
    if situation.kind == "classification":
        return 8, "telling a few labels apart takes little capacity"
    if situation.kind == "reasoning":
        if n < MANY_ROWS:
            return 32, "long, worked-out answers take more capacity than short ones"
        return 64, f"{n:,} long, worked-out answers take much capacity"
    if situation.kind == "questions" and n >= MANY_QUESTIONS:
        return 32, f"{n:,} questions and answers take more than the usual 16"
    return 16, "the usual capacity; more would rather learn single rows by heart"


def _needed_rank(situation: Situation) -> int:
    """The power of two at which the adapter has a parameter per answer token; 1 where unknown."""
    tokens, width = _answer_tokens(situation), situation.hidden_size
    if not tokens or not width or not situation.n_parameters:
        return 1
    # A layer holds about 12 width^2 parameters, its adapter of rank 1 about 20 width.
    per_rank = 20 / 12 * situation.n_parameters / width
    return min(MAX_RANK, 1 << math.ceil(math.log2(max(1.0, tokens / per_rank))))


def _answer_tokens(situation: Situation) -> int:
    return situation.n_rows * (situation.answer_tokens or 0)


def _epochs(situation: Situation) -> Choice[int]:
    n = situation.n_rows
    if 3 * n > 25_000:
        return Choice(
            max(1, 25_000 // n),
            f"{n:,} rows are enough to be seen {'once' if n > 12_500 else 'twice'}",
            "OpenAI cookbook; Unsloth",
        )
    least = math.ceil(MIN_STEPS * situation.batch_records / n)
    if least <= 3:
        return Choice(3, "one to three passes learn most; more begin to overfit", "Unsloth")
    return Choice(
        min(MAX_EPOCHS, least),
        f"three passes would be {_steps(situation, 3)} steps of {situation.batch_records} "
        f"records; under {MIN_STEPS} steps hardly anything is learned",
        "the demo's learning curve: 24 steps .65, 40 steps .98",
    )


def _learning_rate(situation: Situation, epochs: int) -> Choice[float]:
    if situation.is_preference:
        return Choice(5e-6, "comparing answers moves a model faster than learning them", "Unsloth")
    if situation.hidden_size is None:
        return _rate_by_parameters(situation)
    steps = _steps(situation, epochs)
    is_short = situation.has_adapter and steps < SHORT_RUN_STEPS
    times = (15 if is_short else 10) if situation.has_adapter else 1
    rate = 5e-5 * times * (2000 / situation.hidden_size) ** 0.78
    what = "ten times that of full fine-tuning" if situation.has_adapter else "full fine-tuning"
    short = f"; a run of {steps} steps takes half as much again" if is_short else ""
    return Choice(
        float(f"{rate:.1e}"),
        f"{what}, for layers {situation.hidden_size:,} wide{short}",
        "LoRA Without Regret; Tinker",
    )


def _rate_by_parameters(situation: Situation) -> Choice[float]:
    if not situation.has_adapter:
        return Choice(2e-5, "a tenth of what adapters take", "LoRA Without Regret")
    if situation.n_parameters is not None and situation.n_parameters > LARGE_MODEL:
        return Choice(1e-4, "models above 13B parameters diverge more easily", "QLoRA")
    return Choice(2e-4, "what models of 7B and 13B parameters were tuned with", "QLoRA; Unsloth")


def _dropout(situation: Situation) -> Choice[float]:
    n = situation.n_rows
    if n < FEW_ROWS:
        return Choice(0.1, f"{n:,} rows are soon known by heart (fewer than 500)", "QLoRA")
    if n >= MANY_ROWS:
        return Choice(0.0, f"{n:,} rows leave little to overfit, and 0 is faster", "Unsloth")
    return Choice(0.05, "between few rows (0.1) and many (0)", "QLoRA; Unsloth")


def _steps(situation: Situation, epochs: int) -> int:
    return math.ceil(situation.n_rows / situation.batch_records) * epochs
