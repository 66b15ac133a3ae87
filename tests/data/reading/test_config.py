import pytest
from pydantic import ValidationError

from tuneline.data.reading.config import SourceConfig

SOURCE = {"name": "clauses", "path": "clauses.jsonl", "license": "CC-BY-4.0"}
TABLE = {**SOURCE, "format": "columns", "prompt": "Is it fair?\n\n{text}", "answer": ["label"]}


def test_a_source_needs_name_path_and_license_only():
    source = SourceConfig.model_validate(SOURCE)
    assert (source.format, source.metric, source.group) == ("auto", "exact_match", None)
    assert (source.columns, source.roles, source.entry) == ({}, {}, None)


def test_docstrings_are_the_descriptions_of_fields():
    assert all(field.description for field in SourceConfig.model_fields.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "No Slug"}, "name\n  String should match pattern"),
        ({"path": ""}, "path\n  String should have at least 1 character"),
        ({"colour": "red"}, "colour\n  Extra inputs are not permitted"),
        ({"format": "csv"}, "format\n  Input should be 'auto'"),
        ({"roles": {"client": "person"}}, "roles.client\n  Input should be 'system'"),
        ({"prompt": "{text.upper}"}, "field {text.upper} is not a plain column name"),
        ({"prompt": "{text!r}"}, "field {text} is not a plain column name"),
        ({"prompt": "{}"}, "field {} is not a plain column name"),
        ({"prompt": "no column"}, "names no column"),
        ({"prompt": "{text"}, "expected '}' before end of string"),
        ({"prompt": None}, "format 'columns' needs 'prompt'"),
        ({"answer": []}, "format 'columns' needs 'prompt'"),
        (
            {"columns": {"instrution": "ask"}},
            "no format has a field 'instrution'; fields: answer, ",
        ),
        ({"columns": {"prompt": "ask"}}, "format 'columns' takes no 'columns'"),
        ({"format": "alpaca"}, "only read with format: columns"),
    ],
)
def test_a_wrong_source_is_refused_with_its_field(change, message):
    with pytest.raises(ValidationError) as caught:
        SourceConfig.model_validate({**TABLE, **change})
    assert message in str(caught.value)


def test_chinese_column_names_are_plain_names():
    assert SourceConfig.model_validate({**TABLE, "prompt": "{条文}"}).prompt == "{条文}"
