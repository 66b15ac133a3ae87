import pytest
from pydantic import ValidationError

from tuneline.data.config import DataConfig, NearDedupConfig, SplitConfig

SOURCE = {"name": "clauses", "path": "clauses.jsonl", "license": "CC-BY-4.0"}


def test_docstrings_are_the_descriptions_of_fields():
    fields = {**DataConfig.model_fields, **SplitConfig.model_fields}
    assert all(field.description for field in fields.values())


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
