"""Answers on disk: measured as asked, and again from where a killed run stopped."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import yes_no_records
from tuneline.base_model import BaseModelRef
from tuneline.evaluation.answering import ANSWERS_JOURNAL, answer_records
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.holdout import PREDICTIONS, report, save_predictions, score_records
from tuneline.generation import (
    GenerationConfig,
    Generator,
    Likelihood,
    ModelArtifact,
    Prediction,
)
from tuneline.machine import this_machine
from tuneline.reports import ALL, EvalReport, Latency, load_report, save_report
from tuneline.store import Store

RECORDS = yes_no_records(20)
CONFIG = GenerationConfig(max_new_tokens=5, batch_size=4, perplexity=True)
INPUTS = {"model": "tiny"}
N_BEFORE_KILL = 3
KILLED = """
import sys, time
from pathlib import Path
from tests.evaluation.test_answering import INPUTS, N_BEFORE_KILL, RECORDS, spied_generator
from tuneline.evaluation.answering import answer_records
from tuneline.store import Store

workspace, model = Path(sys.argv[1]), Path(sys.argv[2])
asked = workspace / "asked"
def wait_for_the_end():
    if len(asked.read_text().splitlines()) > N_BEFORE_KILL * 4:
        time.sleep(60)
generator = spied_generator(model, asked, wait_for_the_end)
Store(workspace).build(
    "answers", INPUTS, lambda out: answer_records(generator, RECORDS, out), keeps_partial=True
)
"""


def spied_generator(model: Path, asked: Path, before_answer=lambda: None) -> Generator:
    """A generator that notes the question of every prompt before it answers."""
    generator = Generator.load(ModelArtifact("tiny", model, "digest"), this_machine(), CONFIG)
    answer = generator.engine.answer

    def spy(prompts):
        with asked.open("a") as file:
            file.writelines(prompt.split("\n")[1].split("<")[0] + "\n" for prompt in prompts)
        before_answer()
        return answer(prompts)

    generator.engine.answer = spy
    return generator


def killed_run(workspace: Path, model: Path) -> None:
    """A process that answers three batches and is killed with SIGKILL inside the fourth."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(workspace), str(model)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    asked, deadline = workspace / "asked", time.monotonic() + 240
    while not asked.exists() or len(asked.read_text().splitlines()) <= N_BEFORE_KILL * 4:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_after_kill_9_no_finished_row_is_generated_again_and_the_answers_are_the_same(
    tiny_model: BaseModelRef, tmp_path: Path
):
    killed_run(tmp_path, tiny_model.folder)
    before = (tmp_path / "asked").read_text().splitlines()
    resumed = spied_generator(tiny_model.folder, tmp_path / "asked again")
    output = Store(tmp_path).build(
        "answers", INPUTS, lambda out: answer_records(resumed, RECORDS, out), keeps_partial=True
    )
    again = (tmp_path / "asked again").read_text().splitlines()
    finished, in_flight = before[: N_BEFORE_KILL * 4], before[N_BEFORE_KILL * 4 :]
    assert len(in_flight) == 4
    assert not set(finished) & set(again)
    assert sorted(finished + again) == sorted(r.prompt_text for r in RECORDS)
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    answer_records(spied_generator(tiny_model.folder, tmp_path / "asked third"), RECORDS, unbroken)
    timings = ["latency_s", "generate_s"]
    ours = pl.read_parquet(output.path / PREDICTIONS)
    assert ours.drop(timings).equals(pl.read_parquet(unbroken / PREDICTIONS).drop(timings))
    assert ours["prediction"].n_unique() > 1, "else equality would say little"
    assert ours["latency_s"].min() > 0
    assert not (output.path / ANSWERS_JOURNAL).exists(), "no leftover in the store"


@pytest.mark.parametrize("asked_for", [True, False])
def test_reference_answers_are_measured_only_where_asked(
    tiny_model: BaseModelRef, tmp_path: Path, asked_for: bool
):
    config = GenerationConfig(max_new_tokens=2, perplexity=asked_for)
    artifact = ModelArtifact("tiny", tiny_model.folder, "digest")
    with Generator.load(artifact, this_machine(), config) as generator:
        answer_records(generator, RECORDS[:3], tmp_path)
    table = pl.read_parquet(tmp_path / PREDICTIONS)
    assert table["engine"].unique().to_list() == [generator.engine.identity]
    n_measured = 3 if asked_for else 0
    assert table["reference_nll"].is_not_null().sum() == n_measured
    tokens = table["reference_tokens"].drop_nulls().to_list()
    assert tokens == [3, 2, 3][:n_measured]  # `Yes` is two tokens, `No` one, and the end token


def test_a_report_tells_latency_engine_and_perplexity_of_what_was_measured(tmp_path: Path):
    records = [*RECORDS[:3], dataclasses.replace(RECORDS[3], source="odd")]
    predictions = [Prediction("Yes", 2, 0.5), Prediction("No", 2, 0.75)]
    predictions += [Prediction(None, 0), Prediction("No", 2, 1.0)]
    measured = [Likelihood(2 * math.log(2), 2), Likelihood(6 * math.log(4), 6)]
    measured += [Likelihood(None, 0), Likelihood(2.0, 2)]
    path = tmp_path / PREDICTIONS
    save_predictions(path, records, predictions, 4.0, "a runtime 1.0", measured)
    table, metrics = pl.read_parquet(path), {"even": "exact_match", "odd": "exact_match"}
    scores = score_records(records, table, metrics)
    settings = EvaluationConfig(generation=CONFIG)
    found = report("m", "digest", scores, table, settings, "rows", metrics)
    save_report(tmp_path / "report.json", found)
    assert load_report(tmp_path / "report.json", EvalReport) == found
    assert found.latency == Latency(0.75, 1.0, 1.0, 3), "a failed answer has no latency"
    assert found.tokens_per_s == 1.5
    assert found.perplexity["even"].value == pytest.approx(2 ** (14 / 8))  # 14 ln 2 / 8 tokens
    assert (found.perplexity["even"].n, found.perplexity[ALL].n) == (2, 3)
    assert "odd" not in found.perplexity, "of one record there is no interval"
    assert all("a runtime 1.0" in identity for identity in found.identities.values())
    assert all(CONFIG.decoding in identity for identity in found.identities.values())
