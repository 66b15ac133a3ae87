"""Why a stage ran: the inputs of its key that changed."""

from tuneline.explaining import changes, input_names

BEFORE = {
    "settings": {"max_steps": 24, "rank": 16},
    "code:training": "0123456789abcdef0123",
    "files": [{"name": "a"}],
}


def test_equal_inputs_have_no_changes():
    assert changes(BEFORE, dict(BEFORE)) == []


def test_a_changed_setting_is_named_with_both_values():
    now = {**BEFORE, "settings": {"max_steps": 12, "rank": 16}}
    assert [str(change) for change in changes(BEFORE, now)] == ["settings.max_steps: 24 -> 12"]


def test_what_came_and_went_is_absent_on_the_other_side_and_digests_are_short():
    now = {"settings": BEFORE["settings"], "files": [{"name": "a"}], "fresh": "ab"}
    assert [str(change) for change in changes(BEFORE, now)] == [
        "code:training: 0123456789ab... -> absent",
        "fresh: absent -> ab",
    ]


def test_inputs_have_dotted_names():
    assert input_names(BEFORE) == [
        "settings.max_steps",
        "settings.rank",
        "code:training",
        "files.0.name",
    ]
