"""Loss on the answer and its end token, and on nothing else."""

import copy

import pytest

from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.generation import render_prompt
from tuneline.records import Message, Record
from tuneline.training.chat_format import IGNORED, Encoded, Fault, encode, encode_all, encode_batch
from tuneline.training.prompt_tokens import Rendered, prompt_lengths, tokenize

NO_END = (
    "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)
THINKS_FIRST = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}"
)
COUNTS_TURNS = (
    "{{ messages | length }} turns\n"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_model: BaseModelRef):
    return load_tokenizer(tiny_model.folder)


def record(*contents: str, line: int = 1) -> Record:
    """A conversation of user and assistant in turns."""
    roles = ("user", "assistant")
    messages = tuple(Message(roles[i % 2], text) for i, text in enumerate(contents))
    return Record(messages, "s", "rows.jsonl", line)


def learned(row: Encoded, tokenizer) -> str:
    """The text that carries loss."""
    return tokenizer.decode([label for label in row.labels if label != IGNORED])


def test_only_the_answer_and_its_end_token_carry_loss(tokenizer):
    row = encode(record("租金？", "壹仟元。"), tokenizer)
    assert learned(row, tokenizer) == "壹仟元。<|im_end|>"
    assert tokenizer.decode(row.input_ids) == (
        "<|im_start|>user\n租金？<|im_end|>\n<|im_start|>assistant\n壹仟元。<|im_end|>"
    )
    assert len(row.labels) == len(row.input_ids)
    assert all(b in (IGNORED, a) for a, b in zip(row.input_ids, row.labels, strict=True))


def test_the_end_token_is_learned_where_it_is_the_padding_too(tokenizer):
    expected = encode(record("Is 2 even?", "Yes"), tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    row = encode(record("Is 2 even?", "Yes"), tokenizer)
    assert row == expected
    assert row.labels[-1] == tokenizer.eos_token_id
    assert row.labels.count(tokenizer.eos_token_id) == 1, "that of the prompt carries no loss"


def test_of_a_conversation_only_the_last_answer_is_learned(tokenizer):
    row = encode(record("Hi", "Hello", "Is 2 even?", "Yes"), tokenizer)
    assert learned(row, tokenizer) == "Yes<|im_end|>"
    assert "Hello<|im_end|>" in tokenizer.decode(row.input_ids)


def test_every_turn_of_the_assistant_is_learned_where_the_profile_says_so(tokenizer):
    talk = record("Hi", "Hello", "Is 2 even?", "Yes")
    (row,), _ = encode_all([talk], tokenizer, 200, "assistant")
    assert learned(row, tokenizer) == "Hello<|im_end|>Yes<|im_end|>"
    assert row.input_ids == encode(talk, tokenizer).input_ids
    short = record("Is 2 even?", "Yes")
    assert encode_all([short], tokenizer, 200, "assistant")[0] == [encode(short, tokenizer)]


def test_a_template_that_shortens_earlier_answers_cannot_teach_them(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content if loop.last or m.role == 'user' else '...' }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    talk = record("Hi", "Hello", "Is 2 even?", "Yes", line=7)
    with pytest.raises(TrainingError, match=r"rows\.jsonl:7: .*set training\.loss_on=completion"):
        encode_all([talk], tokenizer, 200, "assistant")


def test_the_prompt_is_rendered_as_at_generation(tokenizer):
    talk = record("Hi", "Hello", "Is 2 even?", "Yes")
    row = encode(talk, tokenizer)
    prompt = tokenizer(render_prompt(tokenizer, talk.prompt), add_special_tokens=False)
    n = row.labels.count(IGNORED)
    assert row.input_ids[:n] == prompt["input_ids"]


def test_a_template_without_end_token_gets_one(tokenizer):
    tokenizer.chat_template = NO_END
    row = encode(record("Is 2 even?", "Yes"), tokenizer)
    assert tokenizer.decode(row.input_ids) == "user:\nIs 2 even?\nassistant:\nYes\n<|im_end|>"
    assert learned(row, tokenizer) == "Yes\n<|im_end|>"


@pytest.mark.parametrize("template", [THINKS_FIRST, COUNTS_TURNS])
def test_a_prompt_that_is_rendered_in_two_ways_is_an_error_with_its_place(tokenizer, template: str):
    tokenizer.chat_template = template
    with pytest.raises(TrainingError, match=r"rows\.jsonl:9: the chat template renders the prompt"):
        encode(record("Is 2 even?", "Yes", line=9), tokenizer)


def test_records_that_are_too_long_are_left_out_whole_and_counted(tokenizer):
    short, long = record("Is 2 even?", "Yes"), record("Is 2 even? " * 50, "Yes")
    n = len(encode(short, tokenizer).input_ids)
    rows, n_left_out = encode_all([short, long, short], tokenizer, n)
    assert rows == [encode(short, tokenizer)] * 2
    assert n_left_out == 1
    with pytest.raises(TrainingError, match=rf"max_seq_tokens={n - 1}; the shortest has {n} tok"):
        encode_all([long, short], tokenizer, n - 1)


def test_no_records_are_no_rows(tokenizer):
    assert encode_all([], tokenizer, 100) == ([], 0)


def test_encoding_leaves_the_tokenizer_as_it_was(tokenizer):
    before = copy.deepcopy(tokenizer)
    encode(record("Is 2 even?", "Yes"), tokenizer)
    assert (tokenizer.padding_side, tokenizer.pad_token) == (before.padding_side, before.pad_token)
    assert tokenizer.chat_template == before.chat_template


REFUSES_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ODD_TEXTS = [
    "\n\nYes", " Yes", "", "<|im_end|>", "<|im_start|>user\nfake<|im_end|>", "租金？",
    "assistant\n", "<|im_start|>assistant\n<|im_start|>assistant\n", "a" * 300,
]  # fmt: skip
ENDS_INSIDE_A_WORD = (
    "{% for m in messages %}{{ 'Y' if m.role == 'assistant' else '' }}{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}Y{% endif %}"
)


def test_a_batch_is_what_its_records_are_one_by_one(tokenizer):
    rows = [
        record(a, b, line=n)
        for n, (a, b) in enumerate(zip(ODD_TEXTS, ODD_TEXTS[::-1], strict=True))
    ]
    assert encode_batch(rows, tokenizer) == [encode(row, tokenizer) for row in rows]


@pytest.mark.parametrize("has_first_space", [False, True])
def test_cutting_at_special_tokens_tells_what_tokenizing_every_prompt_tells(
    tokenizer, has_first_space: bool
):
    if has_first_space:  # as Llama 2: the first piece of a text is another than later ones
        from tokenizers import pre_tokenizers

        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    opening = "<|im_start|>assistant\n"
    texts = [Rendered(f"{a}{opening}", f"{a}{opening}{b}") for a in ODD_TEXTS for b in ODD_TEXTS]
    ids = tokenize([text.whole for text in texts], tokenizer)
    prompts = tokenize([text.prompt for text in texts], tokenizer)
    expected = [
        len(prompt) if whole[: len(prompt)] == prompt else None
        for whole, prompt in zip(ids, prompts, strict=True)
    ]
    assert prompt_lengths(texts, ids, tokenizer) == expected
    assert sum(length is not None for length in expected) > len(ODD_TEXTS)


def test_prompts_are_not_tokenized_where_special_tokens_cut_them(tokenizer, monkeypatch):
    rows = [record(f"Is {n} even?", "Yes") for n in range(50)]
    asked = []
    real = tokenize
    monkeypatch.setattr(
        "tuneline.training.prompt_tokens.tokenize",
        lambda texts, t: asked.extend(texts) or real(texts, t),
    )
    assert all(isinstance(row, Encoded) for row in encode_batch(rows, tokenizer))
    assert asked == ["<|im_start|>assistant\n"]


def test_a_prompt_whose_last_token_grows_with_the_answer_is_a_fault(tokenizer):
    """`Y` ends the prompt and `Ye` is one token, which at generation the model never meets."""
    tokenizer.chat_template = ENDS_INSIDE_A_WORD
    assert [len(ids) for ids in tokenize(["Y", "Ye", "Yo"], tokenizer)] == [1, 1, 2]
    fine, grown = encode_batch([record("Q", "o"), record("Q", "es")], tokenizer)
    assert isinstance(fine, Encoded)
    assert isinstance(grown, Fault)


def test_a_record_that_the_template_refuses_is_a_fault_and_the_others_are_rows(tokenizer):
    tokenizer.chat_template = REFUSES_SYSTEM
    talk = Record(
        (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes")),
        "s", "rows.jsonl", 2,
    )  # fmt: skip
    first, second, third = encode_batch([record("Hi", "Yes"), talk, record("Hi", "No")], tokenizer)
    assert isinstance(first, Encoded) and isinstance(third, Encoded)
    assert second == Fault("rows.jsonl:2", "the chat template cannot render it: no system role")
    with pytest.raises(TrainingError, match=r"rows\.jsonl:2: .* no system role"):
        encode_all([record("Hi", "Yes"), talk], tokenizer, 100)
