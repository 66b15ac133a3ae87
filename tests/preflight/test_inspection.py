"""One report of all checks and a forecast, and one error that names everything that fails."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tuneline.errors import TrainingError
from tuneline.preflight.inspection import Subject, inspect
from tuneline.preflight.licenses import Licenses
from tuneline.preflight.report import (
    PreflightReport,
    check,
    check_rows,
    duration,
    forecast_rows,
)
from tuneline.reports import TrainingReport, load_report, save_report
from tuneline.training.config import TrainingConfig


def changed(subject: Subject, **settings) -> Subject:
    return replace(subject, config=TrainingConfig(**settings))


def test_a_good_run_passes_and_is_forecast(subject: Subject):
    report = inspect(subject)
    check(report)
    assert {c.level for c in report.checks} == {"ok"}
    assert report.forecast is not None
    assert report.forecast.n_steps == 24
    assert report.forecast.cost is None
    assert report.forecast.speed_basis.startswith("assumed: 70 GFLOP/s per core")


def test_parameters_and_steps_are_those_that_training_reports(
    subject: Subject, trained: tuple[Path, TrainingReport]
):
    made = inspect(changed(subject, max_steps=12, rank=8)).forecast
    _, measured = trained
    assert (made.n_trainable, made.n_steps) == (measured.n_trainable_parameters, measured.n_steps)


def test_everything_that_fails_is_one_error(subject: Subject):
    bad = replace(
        changed(subject, method="lora", target_modules=("c_attn",), max_seq_tokens=16),
        licenses=Licenses("Apache-2.0", {"even": "CC-BY-NC-4.0"}, ("Apache-2.0",)),
    )
    report = inspect(bad)
    assert report.forecast is None
    with pytest.raises(TrainingError) as caught:
        check(report)
    sentence = str(caught.value)
    assert sentence.startswith("pre-flight: 3 checks fail. ")
    for part in (
        "licence of the data: CC-BY-NC-4.0 of even",
        "target modules: training.target_modules names c_attn",
        "length: no row fits into max_seq_tokens=16",
    ):
        assert part in sentence


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"method": "full"}, "method full trains all weights of qwen2"),
        ({"method": "freeze", "trainable_layers": 1}, "method freeze trains the last 1 layers of"),
        ({"method": "full", "target_modules": ("c_attn",)}, "method full trains all weights"),
    ],
)
def test_methods_without_adapter_need_no_targets(subject: Subject, settings, sentence: str):
    report = inspect(changed(subject, **settings))
    check(report)
    assert any(c.sentence.startswith(sentence) for c in report.checks)


def test_more_layers_than_there_are_stop_the_run(subject: Subject):
    report = inspect(changed(subject, method="freeze", trainable_layers=3))
    with pytest.raises(TrainingError, match="trainable_layers is 3; the base model has 2 layers"):
        check(report)


def test_a_template_that_serving_renders_otherwise_stops_the_run(subject: Subject, tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(subject.folder, folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant\n{%", "assistant\n<think>{%"))
    report = inspect(replace(subject, folder=folder))
    with pytest.raises(
        TrainingError, match=r"chat template: .* differently when the answer follow"
    ):
        check(report)


def test_the_end_tokens_of_the_models_own_settings_count(subject: Subject, tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(subject.folder, folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_end|>", "<|pad|>"))
    levels = []
    for stops in ([1], [1, 2]):
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))
        report = inspect(replace(subject, folder=folder))
        levels += [c.level for c in report.checks if c.name == "end of turn"]
    assert levels == ["warning", "ok"]


def test_a_share_of_a_source_is_forecast_as_it_is_trained(subject: Subject):
    half = changed(subject, source_fractions={"even": 0.5})
    assert inspect(half).forecast.n_steps == inspect(subject).forecast.n_steps / 2


def test_a_report_survives_the_disk(subject: Subject, tmp_path: Path):
    report = inspect(changed(subject, price_per_hour=2.0))
    save_report(tmp_path / "report.json", report)
    assert load_report(tmp_path / "report.json", PreflightReport) == report


def test_tables_show_the_worst_first_and_estimates_beside_what_was_measured(subject: Subject):
    report = inspect(changed(subject, price_per_hour=3600.0, max_seq_tokens=16))
    assert check_rows(report)[0]["result"] == "error"
    made = inspect(changed(subject, price_per_hour=3600.0)).forecast
    before = {row["quantity"]: row for row in forecast_rows(made)}
    assert before["trainable parameters"]["estimate"] == f"{made.n_trainable:,}"
    assert all("measured" not in row for row in before.values())
    measured = TrainingReport(24, 32, 32_768, 7.0, 1234.5, (), (), "cpu")
    after = {row["quantity"]: row["measured"] for row in forecast_rows(made, measured)}
    assert after == {
        "trainable parameters": "32,768",
        "peak memory, MiB": "1,234",
        "steps": "24",
        "training time": "7 s",
        "cost": "7.00",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under 1 s"),
        (45, "45 s"),
        (125, "2 min"),
        (7199, "2 h 00 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str):
    assert duration(seconds) == text


def test_settings_that_do_not_fit_come_down_before_the_first_step(subject: Subject):
    fits = inspect(subject).forecast
    assert fits is not None and fits.n_down == 0
    tight = subject.hardware._replace(memory_mib=fits.peak_memory_mib - 1)
    report = inspect(replace(subject, hardware=tight))
    assert report.forecast is not None and report.forecast.n_down >= 1
    assert report.forecast.peak_memory_mib < fits.peak_memory_mib
    (memory,) = (check for check in report.checks if check.name == "memory")
    assert memory.level == "warning"
    assert f"after coming down: batch_size {subject.config.batch_size} -> " in memory.sentence
