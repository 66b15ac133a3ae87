"""METRICS: name -> metric. A metric has an identity; two scores compare only where it is equal."""

from collections.abc import Callable, Iterable
from functools import partial

from tuneline.errors import EvaluationError
from tuneline.evaluation import (
    bleu,
    chrf,
    citations,
    contains,
    exact_match,
    json_answers,
    labels,
    multiple_choice,
    numeric,
    rouge,
    token_f1,
)
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.custom import custom_metric, is_custom
from tuneline.evaluation.metric import Metric, always
from tuneline.evaluation.statutes import Statutes, load_statutes
from tuneline.evaluation.words import NAME as WORDS

_JSON = always(json_answers.NAME)
_ROUGE_L = ("tuneline", "rapidfuzz", "rjieba")

METRICS: dict[str, Metric] = {
    "exact_match": Metric(exact_match.exact_match, always(exact_match.NAME), is_general=True),
    "token_f1": Metric(token_f1.token_f1, always(token_f1.NAME), is_general=True),
    "rouge1": Metric(rouge.rouge_1, always(WORDS), ("tuneline", "rjieba"), is_general=True),
    "rouge2": Metric(rouge.rouge_2, always(WORDS), ("tuneline", "rjieba"), is_general=True),
    "rougeL": Metric(rouge.rouge_l, always(WORDS), _ROUGE_L, is_general=True),
    "rougeLsum": Metric(rouge.rouge_lsum, always(WORDS), _ROUGE_L, is_general=True),
    "bleu": Metric(bleu.bleu, bleu.tokenizer, ("sacrebleu",), is_general=True),
    "chrf": Metric(chrf.chrf, always(chrf.NAME), ("sacrebleu",), is_general=True),
    "label_accuracy": Metric(labels.label_accuracy, always(labels.NAME), is_per_record=False),
    "json_valid": Metric(json_answers.json_valid, _JSON),
    "json_fields": Metric(json_answers.json_fields, _JSON),
    "contains": Metric(contains.contains, always(contains.NAME)),
    "multiple_choice": Metric(multiple_choice.multiple_choice, always(multiple_choice.NAME)),
    "numeric": Metric(numeric.numeric, always(numeric.NAME), ("tuneline", "cn2an")),
    "citations": Metric(
        partial(citations.score_citations, statutes=Statutes({}, "")),
        always(citations.NAME),
        ("tuneline", "cn2an"),
    ),
}


def _numeric(settings: EvaluationConfig) -> Metric:
    tolerance = settings.numeric_tolerance
    score = partial(numeric.numeric, tolerance=tolerance)
    return Metric(
        score, always(numeric.NAME), ("tuneline", "cn2an"), settings=f"tolerance {tolerance:g}"
    )


def _citations(settings: EvaluationConfig) -> Metric:
    if settings.statutes is None:
        raise EvaluationError(
            "the metric 'citations' needs evaluation.statutes, a table of the articles that exist; "
            "examples/statutes/civil_code.jsonl is one"
        )
    table = load_statutes(settings.statutes)
    score = partial(citations.score_citations, statutes=table)
    return Metric(
        score,
        always(citations.NAME),
        ("tuneline", "cn2an"),
        settings=f"statutes {table.digest[:16]}",
    )


CONFIGURED: dict[str, Callable[[EvaluationConfig], Metric]] = {
    "numeric": _numeric,
    "citations": _citations,
}
"""Metrics that depend on settings of the profile."""


def chosen_metrics(names: Iterable[str], settings: EvaluationConfig) -> dict[str, Metric]:
    """The general metrics, those of `evaluation.metrics`, and those that are named here.

    Raises:
        EvaluationError: A metric does not exist or cannot be loaded, or lacks a setting.
    """
    general = [name for name, metric in METRICS.items() if metric.is_general]
    wanted = dict.fromkeys([*general, *settings.metrics, *names])
    return {name: metric_named(name, settings) for name in wanted}


def metric_named(name: str, settings: EvaluationConfig) -> Metric:
    """One metric, as the profile's settings make it.

    Args:
        name: A key of `METRICS`, `package.module:function`, or `./folder` of an `evaluate` module
            with `#key` of its result.
        settings: Tolerance and tables.

    Raises:
        EvaluationError: It does not exist or cannot be loaded, or lacks a setting.
    """
    if name in CONFIGURED:
        return CONFIGURED[name](settings)
    if name in METRICS:
        return METRICS[name]
    if is_custom(name):
        return custom_metric(name)
    raise EvaluationError(
        f"unknown metric {name!r}; known are {', '.join(METRICS)}; your own is named "
        "`package.module:function`, an `evaluate` module by its folder, such as `./metrics/mine`"
    )
