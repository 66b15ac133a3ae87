"""`tuneline recommend`: settings to begin with for a profile's data, shown to a person."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from flows.tables import print_table
from tuneline.base_model import BaseModelConfig, load_tokenizer, materialize_tokenizer
from tuneline.data.amounts import CLASSIFICATION, REASONING, kind_of
from tuneline.data.prepare import prepare, report_of
from tuneline.errors import BaseModelError
from tuneline.profile import Profile, load_profile
from tuneline.records import Record, read_records
from tuneline.reports import DataReport
from tuneline.search.recommend import (
    Choice,
    Kind,
    Recommendation,
    Situation,
    main_kind,
    recommend,
)
from tuneline.search.space import WITHOUT_ADAPTER, shown
from tuneline.store import Store, workspace
from tuneline.training.config import TrainingConfig
from tuneline.training.mixture import mix

if TYPE_CHECKING:
    from rich.console import Console

N_SAMPLED = 500
"""Training records whose answers are looked at; splits are ordered by digest, so at random."""
MOSTLY = 0.8


class ModelSize(NamedTuple):
    """What of the base model decides settings."""

    n_parameters: int
    hidden_size: int


def show_recommendation(profile: str, overrides: Mapping[str, Any], console: "Console") -> None:
    """Print each setting as it is, as recommended, and why; then the line that uses them.

    Args:
        profile: A profile's name, or a YAML file.
        overrides: Settings to change.
        console: Where the table goes.
    """
    settings, store = load_profile(profile, overrides), Store(workspace())
    known = _known(settings.base_model, store, console)
    tokens = settings.training.max_seq_tokens
    output = prepare(settings.domain, settings.data, store, known, tokens, is_draft=True)
    train = read_records(output.path / "train.parquet")
    situation = situation_of(settings, report_of(output), train, known)
    chosen = recommend(situation)
    print_table(console, heading(situation), rows(settings.training, chosen))
    _print_command(profile, changed(settings.training, chosen), console)


def situation_of(
    settings: Profile,
    report: DataReport,
    train: Sequence[Record],
    known: Path | None,
) -> Situation:
    """What a profile's data and base model are like.

    Args:
        settings: The profile.
        report: Of its data.
        train: Its training records.
        known: Folder with the base model's tokenizer and configuration, or None where it is not
            at hand.
    """
    training, records = settings.training, mix(train, settings.training.source_fractions)
    size = model_size(known) if known else None
    batch = training.batch_size * training.gradient_accumulation * training.n_processes
    return Situation(
        n_rows=len(records),
        kind=_kind(report, records),
        answer_tokens=_answer_tokens(records[:N_SAMPLED], known) if known else None,
        n_parameters=size.n_parameters if size else None,
        hidden_size=size.hidden_size if size else None,
        batch_records=batch,
        is_preference=training.objective != "sft",
        has_adapter=training.method not in WITHOUT_ADAPTER,
    )


def model_size(folder: Path) -> ModelSize:
    """Parameters and width, from the `config.json` of a folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return ModelSize(int(model.num_parameters()), int(config.get_text_config().hidden_size))


def heading(situation: Situation) -> str:
    """What the settings are for, in words."""
    answers = (
        ""
        if situation.answer_tokens is None
        else f", median answer {situation.answer_tokens} tokens"
    )
    model = (
        "a base model that is not at hand"
        if situation.n_parameters is None
        else f"a base model of {situation.n_parameters / 1e6:,.1f}M parameters"
    )
    return f"Settings for {situation.n_rows:,} training rows of {situation.kind}{answers}, {model}"


def rows(training: TrainingConfig, chosen: Recommendation) -> list[dict[str, str]]:
    """Each setting as it is, as recommended, and why."""
    choices = _choices(training, chosen)
    table = [
        {
            "setting": name,
            "now": _value(name, getattr(training, name)),
            "recommended": _value(name, choice.value),
            "why": f"{choice.why} ({choice.source})",
        }
        for name, choice in choices.items()
    ]
    if training.max_steps is not None:
        why = "where it is set, it decides and not epochs"
        now = str(training.max_steps)
        table.append({"setting": "max_steps", "now": now, "recommended": "none", "why": why})
    return table


def changed(training: TrainingConfig, chosen: Recommendation) -> list[str]:
    """Overrides for what is recommended otherwise than it is."""
    choices = _choices(training, chosen)
    found = [shown(n, c.value) for n, c in choices.items() if c.value != getattr(training, n)]
    return [*found, *(["training.max_steps="] if training.max_steps is not None else [])]


def _choices(training: TrainingConfig, chosen: Recommendation) -> dict[str, Choice[Any]]:
    """The settings that mean something to the profile's method."""
    choices = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
    used = WITHOUT_ADAPTER.get(training.method, choices.keys())
    return {name: c for name, c in choices.items() if name in {*used, "epochs"}}


def _value(name: str, value: Any) -> str:
    return shown(name, value).partition("=")[2]


def _print_command(profile: str, settings: Sequence[str], console: "Console") -> None:
    if not settings:
        console.print("The profile has these settings already.")
        return
    arguments = " ".join(f"--set {setting}" for setting in settings)
    console.print("Train with them, or measure what is better with `tuneline search`:")
    console.print(f"  tuneline retrain {profile} {arguments}", markup=False, soft_wrap=True)


def _kind(report: DataReport, records: Sequence[Record]) -> Kind:
    """The kind of most training records."""
    by_source: dict[str, list[Record]] = {}
    for record in records:
        by_source.setdefault(record.source, []).append(record)
    return main_kind([(_kind_of(report, s, r), len(r)) for s, r in by_source.items()])


def _kind_of(report: DataReport, source: str, records: Sequence[Record]) -> Kind:
    kind = kind_of(report, source)
    if kind is CLASSIFICATION:
        return "classification"
    sample = records[:N_SAMPLED]
    if sum(_is_structured(record.reference) for record in sample) >= MOSTLY * len(sample):
        return "extraction"
    return "reasoning" if kind is REASONING else "questions"


def _is_structured(answer: str) -> bool:
    """Whether an answer is a JSON object or list, as extracted fields are."""
    if not answer.lstrip().startswith(("{", "[")):
        return False
    try:
        return isinstance(json.loads(answer), dict | list)
    except ValueError:
        return False


def _answer_tokens(records: Sequence[Record], folder: Path) -> int:
    tokenizer = load_tokenizer(folder)
    encoded = tokenizer([record.reference for record in records], add_special_tokens=False)
    return int(median(len(ids) for ids in encoded["input_ids"]))


def _known(config: BaseModelConfig, store: Store, console: "Console") -> Path | None:
    try:
        return materialize_tokenizer(config, store)
    except BaseModelError as error:
        console.print(f"Recommended for any base model: {error}", markup=False, soft_wrap=True)
        return None
