import pytest
from pydantic import ValidationError

from tuneline.data.config import DataConfig, NearDedupConfig, SourceConfig, SplitConfig

SOURCE = {"name": "clauses", "path": "clauses.jsonl", "license": "CC-BY-4.0"}
TABLE = {**SOURCE, "format": "columns", "prompt": "Is it fair?\n\n{text}", "answer": ["label"]}


def test_a_source_needs_name_path_and_license_only():
    source = SourceConfig.model_validate(SOURCE)
    assert (source.format, source.metric, source.group) == ("auto", "exact_match", None)


def test_docstrings_are_the_descriptions_of_fields():
    fields = {**SourceConfig.model_fields, **DataConfig.model_fields, **SplitConfig.model_fields}
    assert all(field.description for field in fields.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "No Slug"}, "name\n  String should match pattern"),
        ({"colour": "red"}, "colour\n  Extra inputs are not permitted"),
        ({"format": "csv"}, "format\n  Input should be 'auto'"),
        ({"prompt": "{text.upper}"}, "field {text.upper} is not a plain column name"),
        ({"prompt": "{text!r}"}, "field {text} is not a plain column name"),
        ({"prompt": "{}"}, "field {} is not a plain column name"),
        ({"prompt": "no column"}, "names no column"),
        ({"prompt": "{text"}, "expected '}' before end of string"),
        ({"prompt": None}, "format 'columns' needs 'prompt'"),
        ({"answer": []}, "format 'columns' needs 'prompt'"),
        ({"format": "alpaca"}, "only read with format: columns"),
    ],
)
def test_a_wrong_source_is_refused_with_its_field(change, message):
    with pytest.raises(ValidationError) as caught:
        SourceConfig.model_validate({**TABLE, **change})
    assert message in str(caught.value)


def test_chinese_column_names_are_plain_names():
    assert SourceConfig.model_validate({**TABLE, "prompt": "{条文}"}).prompt == "{条文}"


def test_source_names_are_unique_and_there_is_one_at_least():
    with pytest.raises(ValidationError, match="appear twice: clauses"):
        DataConfig.model_validate({"sources": [SOURCE, SOURCE]})
    with pytest.raises(ValidationError, match="at least 1 item"):
        DataConfig.model_validate({"sources": []})


def test_shares_leave_something_to_train_on():
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        SplitConfig(holdout_fraction=0.5, validation_fraction=0.5)


@pytest.mark.parametrize("threshold", [0, 1.01, -1])
def test_a_threshold_lies_above_0_and_up_to_1(threshold):
    with pytest.raises(ValidationError, match="threshold"):
        NearDedupConfig(threshold=threshold)
