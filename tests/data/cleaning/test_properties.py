import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.data.cleaning.cleaner import clean_records
from tuneline.data.cleaning.config import ALLOWED, CleaningConfig
from tuneline.data.cleaning.personal_data import find_personal_data, mask, redact
from tuneline.data.cleaning.texts import first_difference
from tuneline.records import Message, Record

SNIPPETS = [
    "合同",
    "“",
    "”",
    "Ａ",
    "\u3000",
    "\xa0",
    "\u200b",
    "\r\n",
    "\n\n\n",
    " ",
    "e\u0301",
    "\x92",
    "â\x80\x94",
    "Ã©",
    "&amp;",
    "amp;",
    "&lt;",
    "&#13;",
    "<p>",
    "</p>",
    "<br/>",
    "<span>",
    "<b>",
    "</b>",
    "<",
    ">",
    "×“",
    "13812345678",
    "138-1234-5678",
    "１３８",
    "a@b.cn",
    "＠",
    "卡号",
    "4111111111111111",
    "4111 1111",
    "11010519491231002X",
    "(415) 243-9345",
    "+44 20 7946 0958",
    "1",
    "8",
    "-",
    ".",
    "{{name}}",
    "第X条",
    "[Your Name]",
    "锟斤拷",
    "鍚堝悓",
    "ºÏÍ¬",
    "\ufffd",
    "\ud800",
    "\U000e0041",
    "🏴",
    "the and that",
    "As an AI",
    "I'm sorry, I cannot",
    "html",
    "```",
]
texts = st.one_of(
    st.text(st.characters(), max_size=60),
    st.lists(st.sampled_from(SNIPPETS), max_size=14).map("".join),
)
rules = st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in ALLOWED.items()})


@st.composite
def records(draw):
    roles = draw(st.sampled_from([("user",), ("system", "user"), ("user", "assistant", "tool")]))
    messages = tuple(Message(role, draw(texts)) for role in (*roles, "assistant"))
    rejected, is_desirable = draw(st.none() | texts), draw(st.sampled_from([None, True, False]))
    return Record(messages, "s", "f", 1, rejected=rejected, is_desirable=is_desirable)


@settings(deadline=None)
@given(st.lists(records(), max_size=4), rules, st.sampled_from([(), ("zh",)]))
def test_cleaning_never_raises_and_what_is_kept_and_dropped_is_what_was_given(some, rules, codes):
    cleaned = clean_records(some, CleaningConfig(rules=rules, languages=codes))
    assert len(cleaned) == len(some)
    for old, new in zip(some, cleaned, strict=True):
        assert (old.place, len(old.messages)) == (new.record.place, len(new.record.messages))
        assert (old.rejected is None) == (new.record.rejected is None)
        assert new.drop is None or not new.findings
        assert len({f.rule for f in new.findings}) == len(new.findings)


@settings(max_examples=300, deadline=None)
@given(records(), st.sampled_from(["report", "redact"]))
def test_cleaning_is_idempotent(record, action):
    config = CleaningConfig(rules=dict.fromkeys(["email", "phone", "bank_card"], action))
    (once,) = clean_records([record], config)
    (twice,) = clean_records([once.record], config)
    assert twice.record == once.record
    assert (twice.drop, twice.language) == (once.drop, once.language)
    assert all(f.action == "reported" for f in twice.findings)


@settings(deadline=None)
@given(records())
def test_mended_text_is_composed_trimmed_and_has_no_control_characters(record):
    (cleaned,) = clean_records([record], CleaningConfig())
    for message in cleaned.record.messages:
        text = message.content
        assert text == text.strip() == unicodedata.normalize("NFC", text)
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text if c not in "\n\t")


@settings(max_examples=300, deadline=None)
@given(texts)
def test_redaction_leaves_nothing_to_find_and_keeps_the_rest(text):
    rules = ["email", "resident_id", "bank_card", "phone"]
    redacted = redact(text, rules)
    assert find_personal_data(redacted) == []
    if not find_personal_data(text):
        assert redacted == text


@settings(deadline=None)
@given(texts)
def test_masking_keeps_the_length_and_hides_what_was_found(text):
    masked = mask(text)
    assert len(masked) == len(text)
    for _, start, end in find_personal_data(text):
        assert text[start + 3 : end - 2] not in masked[start:end]


@settings(deadline=None)
@given(texts, texts, texts)
def test_the_first_difference_is_the_length_of_the_common_prefix(start, one, other):
    one, other = start + one, start + other
    n = first_difference(one, other)
    assert one[:n] == other[:n]
    assert one[n : n + 1] != other[n : n + 1] or one == other
