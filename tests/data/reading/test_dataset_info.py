import json
from pathlib import Path

import pytest

from tuneline.data.drops import Drop
from tuneline.data.reading.dataset_info import resolve_entry
from tuneline.data.reading.files import find_files
from tuneline.data.reading.sources import open_file
from tuneline.errors import DataError

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def read_entry(source_of):
    def read(entry, path=FIXTURES / "dataset_info.json", **settings):
        source = source_of(path, entry=entry, **settings)
        (file,) = find_files(source)
        with open_file(source, file) as opened:
            return list(opened), opened

    return read


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("identity", "alpaca"),
        ("glaive_toolcall_en_demo", "sharegpt"),
        ("glaive_toolcall_zh_demo", "sharegpt"),
        ("dpo_en_demo", "preference"),
        ("dpo_zh_demo", "preference"),
        ("kto_en_demo", "kto"),
    ],
)
def test_an_entry_reads_as_its_file_does(read_entry, read_file, name, format_name):
    items, opened = read_entry(name)
    records, drops, _ = read_file(FIXTURES / f"{name.removesuffix('.json')}.json")
    assert (items, drops, opened.format) == (records, [], format_name)
    assert len(records) == 2


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("reason_tool_use_demo_50.jsonl", "messages"),
        ("v1_sft_demo.jsonl", "messages"),
        ("v1_dpo_demo.jsonl", "preference"),
        ("lawbench_3-6.json", "question_answer"),
    ],
)
def test_real_rows_without_an_entry_are_read(read_file, name, format_name):
    records, drops, opened = read_file(FIXTURES / name)
    assert (len(records), drops, opened.format) == (2, [], format_name)


def test_real_tool_calls_come_with_their_tools(read_file):
    for name in ("glaive_toolcall_zh_demo.json", "reason_tool_use_demo_50.jsonl"):
        for record in read_file(FIXTURES / name)[0]:
            assert "tool" in [message.role for message in record.messages]
            assert any("<tool_call>\n{" in message.content for message in record.messages)
            assert json.loads(record.tools)


def test_real_pairs_and_labels_are_kept(read_entry):
    pairs, _ = read_entry("dpo_en_demo")
    assert all(record.rejected not in {None, record.reference} for record in pairs)
    labelled, _ = read_entry("kto_en_demo")
    assert [record.is_desirable for record in labelled] == [True, False]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("mllm_demo", "entry 'mllm_demo' has images; only text can be trained on"),
        ("mllm_video_audio_demo", "has videos, audios; only text"),
        ("c4_demo", "entry 'c4_demo' names no 'response' column: it is text to pretrain on"),
        ("alpaca_en", "entry 'alpaca_en' lies on a hub (llamafactory/alpaca_en), and nothing is"),
        ("nobody", "no entry 'nobody'; entries with a file: identity, glaive_toolcall_en_demo"),
        (None, "the source names no 'entry'; entries with a file: identity"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_with_the_reason(source_of, entry, message):
    with pytest.raises(DataError) as caught:
        find_files(source_of(FIXTURES / "dataset_info.json", entry=entry))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c4_demo.jsonl", "c4_demo.jsonl: only 'text' is there: text to pretrain on"),
        ("mllm_demo.json", "mllm_demo.json: all rows have images; only text can be trained on"),
    ],
)
def test_the_same_files_are_refused_without_the_entry(read_file, name, message):
    with pytest.raises(DataError) as caught:
        read_file(FIXTURES / name)
    assert message in str(caught.value)


@pytest.fixture
def with_entry(tmp_path):
    def make(rows, **entry):
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        info = {"mine": {"file_name": "rows.json", **entry}}
        (tmp_path / "dataset_info.json").write_text(json.dumps(info))
        return tmp_path / "dataset_info.json"

    return make


def test_columns_that_an_entry_does_not_name_stay_out(read_entry, with_entry):
    rows = [{"ask": "Q", "reply": "A", "input": "not meant"}]
    path = with_entry(rows, columns={"prompt": "ask", "response": "reply"})
    (record,), _ = read_entry("mine", path)
    assert (record.prompt_text, record.reference) == ("Q", "A")


def test_tags_name_keys_and_roles(read_entry, with_entry):
    call = '{"name": "f", "arguments": {}}'
    talk = [
        {"who": "c", "said": "Q"},
        {"who": "f", "said": call},
        {"who": "o", "said": "found"},
        {"who": "l", "said": "A"},
    ]
    tags = {
        "role_tag": "who",
        "content_tag": "said",
        "user_tag": "c",
        "assistant_tag": "l",
        "observation_tag": "o",
        "function_tag": "f",
    }
    columns = {"messages": "talk", "system": "rule"}
    path = with_entry(
        [{"talk": talk, "rule": "S"}], formatting="sharegpt", columns=columns, tags=tags
    )
    (record,), _ = read_entry("mine", path)
    assert [m.role for m in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert record.messages[2].content == f"<tool_call>\n{call}\n</tool_call>"


def test_ranking_with_texts_is_a_preference(read_entry, with_entry):
    rows = [{"q": "Q", "good": "A", "bad": "B"}]
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    (record,), _ = read_entry("mine", with_entry(rows, ranking=True, columns=columns))
    assert (record.reference, record.rejected) == ("A", "B")


def test_openai_formatting_is_messages(read_entry, with_entry):
    rows = [{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}]
    (record,), opened = read_entry("mine", with_entry(rows, formatting="openai"))
    assert (record.reference, opened.format) == ("A", "messages")


def test_the_profile_goes_before_the_entry(read_entry, with_entry):
    path = with_entry([{"ask": "Q", "reply": "A", "better": "B"}])
    columns = {"instruction": "ask", "output": "better"}
    (record,), _ = read_entry("mine", path, columns=columns)
    assert record.reference == "B"


def test_a_file_that_the_entry_names_and_nobody_has_is_an_error(source_of, with_entry):
    path = with_entry([], file_name="gone.json")
    with pytest.raises(DataError, match=r"gone\.json: no such file"):
        find_files(source_of(path, entry="mine"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("[]", "not an object of entries"), ('{"a": ', "not valid JSON"), (None, "no such file")],
)
def test_a_broken_dataset_info_is_an_error(source_of, tmp_path, text, message):
    if text is not None:
        (tmp_path / "dataset_info.json").write_text(text)
    with pytest.raises(DataError, match=message):
        find_files(source_of(tmp_path / "dataset_info.json", entry="a"))


def test_an_unknown_formatting_names_the_known_ones(source_of, with_entry):
    with pytest.raises(
        DataError, match="formatting 'odd' is unknown; understood: alpaca, sharegpt"
    ):
        resolve_entry(source_of(with_entry([], formatting="odd"), entry="mine"))


def test_other_paths_are_what_they_are(source_of):
    source = source_of("rows.jsonl", entry="sheet")
    assert resolve_entry(source) is source


def test_bad_rows_of_an_entry_are_drops(read_entry, with_entry):
    columns = {"prompt": "ask", "response": "reply"}
    items, _ = read_entry("mine", with_entry([{"ask": "Q", "reply": ""}], columns=columns))
    assert isinstance(items[0], Drop)
    assert items[0].detail.startswith("column 'reply' is empty")
