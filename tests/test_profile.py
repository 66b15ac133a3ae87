"""Profiles: what is wrong is named with file, key, value and what would be right."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tuneline.errors import ProfileError
from tuneline.profile import load_profile, parse_override

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "profiles").glob("*.yaml"))
SMALL = {
    "domain": "lawyer",
    "base_model": {"source": "random", "name": "tiny"},
    "data": {"sources": [{"name": "rows", "path": "rows.jsonl", "license": "MIT"}]},
}


@pytest.fixture
def small(tmp_path: Path) -> str:
    """Path of the least profile that is right."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    return str(path)


def problem(small: str, overrides: dict[str, Any]) -> str:
    """The sentence after the file's name."""
    with pytest.raises(ProfileError) as caught:
        load_profile(small, overrides)
    assert str(caught.value).startswith(f"{small}: ")
    return str(caught.value).removeprefix(f"{small}: ")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_profile_loads(path: Path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert load_profile(path.stem) == load_profile(str(path))


def test_what_a_profile_leaves_out_has_its_default(small: str):
    profile = load_profile(small)
    assert (profile.training.method, profile.training.rank) == ("qlora", 16)
    assert (profile.promotion, profile.gate.min_gain) == ("automatic", 0.0)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("training.epoch", 1, r"training\.epoch is not a setting; allowed there: .*\bepochs\b"),
        ("training.method", "qlorra", r"training\.method = 'qlorra': .*'qlora', 'lora'"),
        ("training.rank", 0, r"training\.rank = 0: .*greater than or equal to 1"),
        ("training.rank", "wide", r"training\.rank = 'wide': .*valid integer"),
        ("training", None, r"training = None: .*valid dictionary"),
        ("training.early_stopping_patience", 2, "training: .*needs validate_every_steps"),
        (
            "evaluation.generation.max_tokens",
            9,
            "allowed there: batch_seed, batch_size, batch_tokens, engine, max_new_tokens, perplex",
        ),
        (
            "quantization.variants",
            ["int4"],
            "quantization.variants: 'int4' is not known; known are bf16, int8, nf4",
        ),
        ("domain", "Law Firm", r"domain = 'Law Firm': .*\^\[a-z\]\[a-z0-9_\]"),
        ("base_model.source", "hub", r"base_model: a hub model needs `revision`"),
        (
            "nonsense",
            1,
            "nonsense is not a setting; allowed there: allowed_licenses, base_model, card, data",
        ),
        ("data.sources", [], r"data\.sources: .*at least 1 item"),
        ("data.split.holdout_fraction", 0.95, "data.split: .*leave nothing to train on"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(small: str, key, value, sentence: str):
    assert re.search(sentence, problem(small, {key: value}))


def test_a_wrong_setting_inside_a_list_is_the_only_complaint(small: str):
    assert problem(small, {"data.sources.0.metrik": "bleu"}) == (
        "data.sources.0.metrik is not a setting; "
        "allowed there: answer, columns, entry, format, group, license, metric, name, path, "
        "prompt, roles"
    )


def test_a_metric_that_does_not_exist_is_refused_before_any_work(small: str):
    sentence = problem(small, {"data.sources.0.metric": "rogueL"})
    assert "rogueL" in sentence
    assert "rougeL" in sentence, "what is allowed is named"


def test_a_metric_of_the_gate_that_nobody_measures_is_an_error(small: str):
    asked = {"gate.metrics": {"json_fields": "better"}}
    assert "gate.metrics names 'json_fields', which is not measured; measured are" in problem(
        small, asked
    )
    assert "gate.metrics.rougeL = 'best': input should be 'better' or 'not worse'" in problem(
        small, {"gate.metrics": {"rougeL": "best"}}
    )
    load_profile(small, {**asked, "evaluation.metrics": ["json_fields"]})


def test_metrics_of_the_evaluation_are_checked_with_what_they_need(small: str, tmp_path: Path):
    assert "metric of evaluation.metrics: unknown metric 'rogueL'" in problem(
        small, {"evaluation.metrics": ["rogueL"]}
    )
    assert "importing no_such_package.metric failed" in problem(
        small, {"evaluation.metrics": ["no_such_package.metric:score"]}
    )
    assert "metric of source rows: the metric 'citations' needs evaluation.statutes" in problem(
        small, {"data.sources.0.metric": "citations"}
    )
    table = tmp_path / "articles.jsonl"
    assert "articles.jsonl cannot be read" in problem(
        small, {"data.sources.0.metric": "citations", "evaluation.statutes": str(table)}
    )
    table.write_text('{"law_name": "民法典", "article_no": "第一条", "status": "现行有效"}\n')
    overrides = {"data.sources.0.metric": "citations", "evaluation.statutes": str(table)}
    assert load_profile(small, overrides).evaluation.statutes == table


def test_a_mixture_of_a_source_that_does_not_exist_is_refused(small: str):
    sentence = problem(small, {"training.source_fractions": {"overuling": 0.4}})
    assert "'overuling'" in sentence and "known are " in sentence
    assert sentence.startswith("training.source_fractions names"), "no colon of an empty place"


def test_a_missing_setting_is_named(tmp_path: Path):
    path = tmp_path / "empty.yaml"
    path.write_text("domain: lawyer\n")
    with pytest.raises(ProfileError, match="base_model is missing; data is missing"):
        load_profile(str(path))


def test_overrides_change_single_settings_and_items_of_lists(small: str):
    overrides = {
        "training.epochs": 1,
        "evaluation.generation.max_new_tokens": 7,
        "data.sources.0.metric": "bleu",
        "quantization.variants": ["nf4"],
    }
    profile = load_profile(small, overrides)
    assert profile.training.epochs == 1
    assert profile.evaluation.generation.max_new_tokens == 7
    assert (profile.data.sources[0].metric, profile.data.sources[0].name) == ("bleu", "rows")
    assert profile.quantization.variants == ("nf4",)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("data.sources.1.metric", "override data.sources.1.metric: '1' must be a number below 1"),
        ("data.sources.first.metric", "'first' must be a number below 1"),
        ("domain.name", "override domain.name: 'domain' is not a section of the profile"),
    ],
)
def test_an_override_of_what_is_not_there_names_its_part(small: str, key: str, sentence: str):
    with pytest.raises(ProfileError, match=re.escape(sentence)):
        load_profile(small, {key: "x"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=1", ("training.epochs", 1)),
        ("training.learning_rate=2.0e-4", ("training.learning_rate", 2e-4)),
        ("quantization.variants=[int8, nf4]", ("quantization.variants", ["int8", "nf4"])),
        ("data.sources.0.prompt=a=b", ("data.sources.0.prompt", "a=b")),
        ("training.max_steps=", ("training.max_steps", None)),
    ],
)
def test_the_value_of_an_override_is_yaml(text: str, expected: tuple[str, Any]):
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["training.epochs", "=1", "quantization.variants=[int8"])
def test_an_override_that_cannot_be_read_is_shown(text: str):
    with pytest.raises(ProfileError, match=re.escape(repr(text))):
        parse_override(text)


def test_a_missing_profile_lists_those_that_exist(monkeypatch):
    monkeypatch.chdir(ROOT)
    known = ", ".join(path.stem for path in SHIPPED)
    with pytest.raises(ProfileError, match=rf"profiles/lawer\.yaml does not exist; .*: {known}$"):
        load_profile("lawer")


def test_a_missing_profile_where_there_are_none_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileError, match=rf"profiles in {tmp_path}/profiles: none$"):
        load_profile("lawyer")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"domain: [lawyer\n", "is not YAML in UTF-8: .*line 2"),
        ("domain: 律师".encode("gbk"), "is not YAML in UTF-8: .*byte"),
        (b"", "must hold settings such as `domain: lawyer`"),
        (b"- lawyer\n", "must hold settings such as `domain: lawyer`"),
    ],
)
def test_a_file_that_is_no_profile_is_one_sentence(tmp_path: Path, content: bytes, sentence: str):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=rf"{re.escape(str(path))} {sentence}") as caught:
        load_profile(str(path))
    assert "\n" not in str(caught.value)
