"""The holdout in slices: where a candidate gains and where it loses.

Which slice a record is in follows from the record alone (and, for labels, from what answers its
source has), so that the slices of two runs can be set side by side.
"""

import re
from collections.abc import Callable, Iterator

import polars as pl

from tuneline.language import HEAD_CHARS, identify_text
from tuneline.records import comparison_text
from tuneline.reports import TASK_SCORE, Dimension, SliceDifference
from tuneline.significance import Certainty, paired_difference, score

MAX_LABELS = 20
"""Most different answers of a source whose answers are labels."""
MAX_LABEL_CHARS = 40
MIN_RECORDS_PER_LABEL = 3
"""On average; with fewer the answers are short, but no labels."""
LENGTHS = {32: "1-32 words", 128: "33-128 words", 512: "129-512 words"}
"""Most words of a prompt in each slice but the last; a Chinese character counts as a word."""
LONGEST = "513+ words"
_WORD = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]|[^\\W\u3400-\u4dbf\u4e00-\u9fff]+")

Values = Callable[[pl.DataFrame], pl.Series]


def slice_differences(
    candidate: pl.DataFrame, baseline: pl.DataFrame, certainty: Certainty | None = None
) -> tuple[SliceDifference, ...]:
    """Paired differences of `task_score` in every slice of every dimension.

    Args:
        candidate: Scores per record as `score_records` gave them.
        baseline: Scores of the same records in any order.
        certainty: How sure each verdict has to be; each slice is judged by itself.

    Returns:
        Slices by dimension and value; those without a record that both models answered are left
        out.
    """
    other = baseline.select("digest", pl.col(TASK_SCORE).alias("baseline"))
    paired = candidate.join(other, on="digest", how="left").sort("digest")
    return tuple(
        found
        for dimension, values in DIMENSIONS.items()
        for found in _slices(
            dimension, paired.with_columns(slice=values(paired)), certainty or Certainty()
        )
    )


def sources(table: pl.DataFrame) -> pl.Series:
    """Source of each record."""
    return table["source"]


def labels(table: pl.DataFrame) -> pl.Series:
    """`source: label` where a source's references are a few short labels, else null."""
    answers = table.select(
        pl.int_range(pl.len()).alias("at"),
        "source",
        label=pl.col("reference").map_elements(comparison_text, pl.String),
        shown=pl.col("reference").str.strip_chars(),
    )
    of_source = pl.col("label").n_unique().over("source")
    is_label = (
        (of_source <= MAX_LABELS)
        & (of_source * MIN_RECORDS_PER_LABEL <= pl.len().over("source"))
        & (pl.col("label").str.len_chars().max().over("source") <= MAX_LABEL_CHARS)
    )
    shown = pl.col("shown").min().over("source", "label")
    return answers.select(
        label=pl.when(is_label).then(pl.format("{}: {}", "source", shown))
    ).to_series()


def lengths(table: pl.DataFrame) -> pl.Series:
    """Length of each prompt in words, in fixed steps."""
    order = pl.Enum([*LENGTHS.values(), LONGEST])
    n_words = (len(_WORD.findall(prompt)) for prompt in table["prompt"])
    found = [next((name for most, name in LENGTHS.items() if n <= most), LONGEST) for n in n_words]
    return pl.Series(found, dtype=order)


def languages(table: pl.DataFrame) -> pl.Series:
    """Language of the beginnings of prompt and reference together, as the data report tells it."""
    texts = table.select(
        pl.concat_str(
            pl.col("prompt").str.slice(-HEAD_CHARS),
            pl.col("reference").str.slice(0, HEAD_CHARS),
            separator="\n",
        )
    ).to_series()
    return pl.Series([identify_text(text) for text in texts], dtype=pl.String)


DIMENSIONS: dict[Dimension, Values] = {
    "source": sources,
    "label": labels,
    "length": lengths,
    "language": languages,
}


def _slices(
    dimension: Dimension, paired: pl.DataFrame, certainty: Certainty
) -> Iterator[SliceDifference]:
    known = paired.filter(pl.col("slice").is_not_null()).sort("slice", maintain_order=True)
    for part in known.partition_by("slice", maintain_order=True):
        ours, theirs = part[TASK_SCORE], part["baseline"]
        if (ours.is_not_null() & theirs.is_not_null()).any():
            yield SliceDifference(
                dimension,
                str(part["slice"][0]),
                score(ours.to_list(), certainty.alpha),
                score(theirs.to_list(), certainty.alpha),
                paired_difference(ours.to_list(), theirs.to_list(), certainty),
            )
