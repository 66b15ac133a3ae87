from tuneline.data.cleaning.cleaner import BATCH, clean_records
from tuneline.data.cleaning.config import CleaningConfig
from tuneline.records import Message, Record


def record(prompt="Q", answer="Yes", line=1, **others):
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, "s", "f.jsonl", line, **others)


def test_records_come_back_in_their_order_each_kept_or_dropped(caplog):
    caplog.set_level("DEBUG", logger="tuneline")
    given = [record(" Q "), record(answer=""), record("合同有效吗？", "有效。"), record()]
    cleaned = clean_records(given, CleaningConfig())
    assert [c.drop and c.drop.reason for c in cleaned] == [None, "empty_answer", None, None]
    assert [c.record.prompt_text for c in cleaned] == ["Q", "Q", "合同有效吗？", "Q"]
    assert [c.language for c in cleaned] == ["unknown", "unknown", "zh", "unknown"]
    assert "cleaning: kept=3 dropped=1 with_findings=1" in caplog.text


def test_tokens_are_counted_in_batches_over_the_mended_contents_without_the_rejected_answer():
    calls = []

    def count_tokens(texts):
        calls.append(list(texts))
        return [len(text) for text in texts]

    given = [record(f" {n}", "y", rejected="no") for n in range(BATCH + 1)]
    cleaned = clean_records(given, CleaningConfig(max_tokens=5), count_tokens)
    assert [len(texts) for texts in calls] == [BATCH, 1]
    assert calls[0][:2] == ["0\ny", "1\ny"]
    assert [c.n_tokens for c in cleaned[:11:10]] == [3, 4]
    assert cleaned[-1].drop.detail == "the record has 6 tokens, max_tokens is 5"


def test_without_a_counter_no_record_has_too_many_tokens():
    (cleaned,) = clean_records([record("Q" * 100)], CleaningConfig(max_tokens=1))
    assert (cleaned.drop, cleaned.n_tokens) == (None, None)


def test_the_first_rule_that_drops_is_named_and_reports_before_it_are_not_kept():
    given = record(answer="Dear [Your Name], I am {{name}}", is_desirable=False)
    (cleaned,) = clean_records([given], CleaningConfig())
    assert (cleaned.drop.reason, cleaned.findings) == ("undesirable_answer", ())


def test_nothing_given_is_nothing_cleaned():
    assert clean_records([], CleaningConfig()) == []


def test_markup_stays_in_a_record_that_is_about_it_and_goes_from_others():
    about = record("Write HTML for a paragraph", "<p>Hello &amp; welcome</p>")
    other = record("合同何时生效？", "<p>依法成立时&nbsp;生效</p>")
    cleaned = clean_records([about, other], CleaningConfig())
    assert [c.record.reference for c in cleaned] == [about.reference, "依法成立时 生效"]
