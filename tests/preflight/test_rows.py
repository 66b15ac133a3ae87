"""What pre-flight says of rows is what training makes of them."""

from dataclasses import replace

import pytest

from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.preflight import rows as rows_module
from tuneline.preflight.checks import row_checks
from tuneline.preflight.report import Check
from tuneline.preflight.rows import inspect_rows, turn_end
from tuneline.records import Message, Record
from tuneline.training.chat_format import IGNORED, encode
from tuneline.training.config import TrainingConfig

SHORTENS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKS_FIRST = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}"
)
THINKS_IN_THE_ANSWER = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ '<|pad|>' if m.role == 'assistant' else '' }}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OTHER_END = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|pad|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SOME_ENDS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{{ '' if 'No' in m.content else '<|pad|>' }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_END = (
    "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_model: BaseModelRef):
    return load_tokenizer(tiny_model.folder)


def checks(records, tokenizer, **settings) -> dict[str, Check]:
    config = TrainingConfig(**settings)
    inspected = inspect_rows(records, config, tokenizer)
    end = turn_end(tokenizer)
    found = row_checks(inspected, config, tokenizer, end, [tokenizer.eos_token_id])
    return {check.name: check for check in found}


def answered(record: Record, answer: str) -> Record:
    return replace(record, messages=(*record.prompt, Message("assistant", answer)))


def test_rows_are_as_long_as_training_makes_them_and_carry_as_much_loss(tokenizer, records):
    inspected = inspect_rows(records, TrainingConfig(), tokenizer)
    encoded = [encode(record, tokenizer) for record in records]
    assert [row.n_tokens for row in inspected.rows] == [len(e.input_ids) for e in encoded]
    assert [row.n_loss_tokens for row in inspected.rows] == [
        sum(label != IGNORED for label in e.labels) for e in encoded
    ]
    assert all(row.has_end and row.keeps_answer for row in inspected.rows)


def test_good_rows_pass_every_check(tokenizer, records):
    found = checks(records, tokenizer)
    assert {check.level for check in found.values()} == {"ok"}
    assert found["end of turn"].sentence == "'<|im_end|>' carries loss in each of 40 rows"
    assert found["padding"].sentence == "'<|pad|>' pads, '<|im_end|>' ends a turn"


def test_padding_with_the_end_token_is_said_and_does_no_harm(tokenizer, records):
    tokenizer.pad_token = tokenizer.eos_token
    found = checks(records, tokenizer)
    assert found["padding"].level == "ok"
    assert "'<|im_end|>' both pads and ends a turn; labels are masked by position" in (
        found["padding"].sentence
    )
    assert found["end of turn"].sentence.endswith("carries loss in each of 40 rows")


def test_a_prompt_that_serving_renders_otherwise_is_an_error_with_places(tokenizer, records):
    tokenizer.chat_template = THINKS_FIRST
    with pytest.raises(Exception, match="renders the prompt differently"):
        turn_end(tokenizer)


def test_rows_that_the_template_refuses_are_counted_and_named(tokenizer, records):
    tokenizer.chat_template = (
        "{% if 'Is 3 ' in messages[0].content %}{{ raise_exception('no threes') }}{% endif %}"
        + tokenizer.chat_template
    )
    found = checks(records, tokenizer)["chat template"]
    assert found.level == "error"
    assert found.sentence == (
        "1 of 40 rows fail (even.jsonl:4): the chat template cannot render it: no threes"
    )


def test_a_template_that_rewrites_answers_is_a_warning(tokenizer, records):
    tokenizer.chat_template = SHORTENS
    thoughtful = [answered(r, f"<think>hm</think>{r.reference}") for r in records[:3]]
    found = checks([*records[3:], *thoughtful], tokenizer)["chat template"]
    assert found.level == "warning"
    assert "3 of 40 rows are learned with another answer" in found.sentence


def test_an_end_of_turn_that_is_not_the_end_token_must_stop_generation(tokenizer, records):
    tokenizer.chat_template = OTHER_END
    found = checks(records, tokenizer)["end of turn"]
    assert found.level == "warning"
    assert "ends a turn with '<|pad|>', generation stops at '<|im_end|>'" in found.sentence
    inspected = inspect_rows(records, TrainingConfig(), tokenizer)
    end = turn_end(tokenizer)
    both = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    served = row_checks(inspected, TrainingConfig(), tokenizer, end, both)[2]
    assert (served.name, served.level) == ("end of turn", "ok")


def test_a_special_token_before_the_answer_is_not_its_end(tokenizer, records):
    tokenizer.chat_template = THINKS_IN_THE_ANSWER
    assert turn_end(tokenizer).id == tokenizer.eos_token_id
    assert turn_end(tokenizer).n_tokens == 2
    assert {check.level for check in checks(records, tokenizer).values()} == {"ok"}


def test_rows_that_never_end_their_turn_are_an_error(tokenizer, records):
    tokenizer.chat_template = SOME_ENDS
    found = checks(records, tokenizer)["end of turn"]
    assert found.level == "error"
    assert (
        "20 rows end without '<|pad|>' (even.jsonl:2, even.jsonl:4, even.jsonl:6 and 17 more)"
        in (found.sentence)
    )


def test_a_template_without_an_end_says_that_one_is_added(tokenizer, records):
    tokenizer.chat_template = NO_END
    found = checks(records, tokenizer)["end of turn"]
    assert (found.level, "the template has none, so it is added" in found.sentence) == ("ok", True)


def test_a_row_without_an_answer_has_nothing_to_learn(tokenizer, records):
    found = checks([*records, answered(records[0], "")], tokenizer)["loss"]
    assert found.level == "error"
    assert "1 rows have no answer token that carries loss (even.jsonl:1)" in found.sentence


def test_the_share_of_rows_that_are_too_long_is_told_with_what_would_help(tokenizer, records):
    long = [answered(r, "Yes" * 100) for r in records[:4]]
    found = checks([*records, *long], tokenizer, max_seq_tokens=64)["length"]
    assert found.level == "warning"
    assert "4 of 44 rows (9.1%) are longer than max_seq_tokens=64 and left out" in found.sentence
    none = checks(long, tokenizer, max_seq_tokens=64)["length"]
    assert (none.level, "no row fits into max_seq_tokens=64" in none.sentence) == ("error", True)


@pytest.mark.parametrize(
    ("objective", "usable"), [("dpo", {"rejected": "Perhaps"}), ("kto", {"is_desirable": True})]
)
def test_an_objective_needs_records_that_have_what_it_learns_from(
    tokenizer, records, objective: str, usable
):
    some = [replace(record, **usable) for record in records[:30]]
    found = checks([*some, *records[30:]], tokenizer, objective=objective)["training rows"]
    assert (found.level, found.sentence[:24]) == ("warning", "10 of 40 records lack a ")
    assert checks(records, tokenizer, objective=objective)["training rows"].level == "error"
    assert checks(some, tokenizer, objective=objective)["training rows"].level == "ok"


def test_of_a_pair_both_answers_are_looked_at(tokenizer, records):
    pairs = [replace(record, rejected="Perhaps" * 20) for record in records]
    inspected = inspect_rows(pairs, TrainingConfig(objective="dpo"), tokenizer)
    long = encode(answered(records[0], "Perhaps" * 20), tokenizer)
    assert inspected.rows[0].n_tokens == len(long.input_ids)
    found = checks([replace(r, rejected="") for r in records], tokenizer, objective="dpo")
    assert found["loss"].level == "error"


def test_loss_on_every_turn_is_counted(tokenizer):
    turns = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "2?"))
    talk = Record((*turns, Message("assistant", "Yes")), "s", "t.jsonl", 1)
    last, every = (
        inspect_rows([talk], TrainingConfig(loss_on=what), tokenizer).rows[0]
        for what in ("completion", "assistant")
    )
    assert every.n_tokens == last.n_tokens
    assert every.n_loss_tokens > last.n_loss_tokens


def test_of_very_many_rows_a_sample_is_looked_at_and_said(tokenizer, records, monkeypatch):
    monkeypatch.setattr(rows_module, "MAX_ROWS", 10)
    monkeypatch.setattr(rows_module, "CHUNK", 4)
    told = []
    inspected = inspect_rows(records, TrainingConfig(), tokenizer, lambda *at: told.append(at))
    assert (inspected.n_records, inspected.n_inspected) == (40, 10)
    assert told == [(4, 10), (8, 10), (10, 10)]
    sentence = checks(records, tokenizer)["chat template"].sentence
    assert sentence.startswith("10 rows (a random sample of 40) have the tokens")


def test_no_records_are_an_error(tokenizer):
    found = checks([], tokenizer)
    assert {name: check.level for name, check in found.items()} == {"training rows": "error"}
