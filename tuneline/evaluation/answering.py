"""A holdout answered by a model, on disk: again from where a killed run stopped."""

from collections.abc import Sequence
from pathlib import Path

from tuneline.evaluation.holdout import PREDICTIONS, save_predictions
from tuneline.generation import Generator
from tuneline.progress import Progress, silent
from tuneline.records import Record

ANSWERS_JOURNAL = "answers.jsonl"
REFERENCES_JOURNAL = "references.jsonl"


def answer_records(
    generator: Generator, records: Sequence[Record], out: Path, progress: Progress = silent
) -> None:
    """Write `predictions.parquet` with an answer to every record.

    Args:
        generator: The model; its settings say whether reference answers are measured too.
        records: What is asked.
        out: An existing folder. Given again as a killed run left it, finished batches in its
            journals are not done again.
        progress: Told the answers done after each batch.
    """
    journals = [out / ANSWERS_JOURNAL, out / REFERENCES_JOURNAL]
    prompts = [record.prompt for record in records]
    predictions, seconds = generator.generate(prompts, progress, journals[0])
    references = None
    if generator.config.perplexity:
        answers = [record.reference for record in records]
        references = generator.reference_nll(prompts, answers, journal=journals[1])
    engine = generator.engine.identity
    save_predictions(out / PREDICTIONS, records, predictions, seconds, engine, references)
    for journal in journals:
        journal.unlink(missing_ok=True)
