import pytest

from tuneline.release.major import major_changes

LINEAGE = {
    "base_model": "hub:org/model",
    "base_model_revision": "a" * 40,
    "base_model_digest": "b" * 64,
    "chat_template_digest": "c" * 64,
    "labels": {"clauses": ["No", "Yes"]},
    "data_digest": "d",
}


def test_new_data_and_settings_are_a_minor_release():
    assert major_changes(LINEAGE, {**LINEAGE, "data_digest": "e", "seed": 2}) == ()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"base_model": "hub:org/other"}, "base model: hub:org/model -> hub:org/other"),
        (
            {"base_model_revision": "f" * 40},
            "revision of the base model: aaaaaaaaaaaa -> ffffffffffff",
        ),
        (
            {"base_model_digest": "0" * 64},
            "weights of the base model: bbbbbbbbbbbb -> 000000000000",
        ),
        ({"chat_template_digest": "1" * 64}, "chat template: cccccccccccc -> 111111111111"),
        ({"labels": {"clauses": ["No", "Perhaps", "Yes"]}}, "labels of clauses: new Perhaps"),
        ({"labels": {"clauses": ["Yes"]}}, "labels of clauses: gone No"),
        ({"labels": {}}, "labels of clauses: gone No, Yes"),
    ],
)
def test_another_base_model_template_or_label_set_is_a_major_release(changed, reason):
    assert major_changes(LINEAGE, {**LINEAGE, **changed}) == (reason,)


def test_what_an_older_lineage_did_not_record_makes_nothing_major():
    old = {"base_model": "hub:org/model"}
    assert major_changes(old, LINEAGE) == ()
    assert major_changes({}, LINEAGE) == ()


def test_many_new_labels_are_counted():
    many = {"labels": {"clauses": ["No", "Yes", *"abcdefg"]}}
    [reason] = major_changes(LINEAGE, {**LINEAGE, **many})
    assert reason == "labels of clauses: new a, b, c, d, e and 2 more"
