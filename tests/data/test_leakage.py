import pytest

from tuneline.data.splitting import position
from tuneline.records import Message, Record

LONG = "the tenant shall pay the rent on the first day of each month to the landlord in full"


def record(prompt, answer="Yes", group=None, line=1, source="s"):
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, source, "f", line, group)


def group_on(side, source="s"):
    """A group whose records lie on the given side."""
    low, high = {"holdout": (0, 0.1), "validation": (0.1, 0.2), "train": (0.2, 1)}[side]
    records = (record("x", group=f"g{n}", source=source) for n in range(1000))
    return next(r.group for r in records if low <= position(r.group_digest) < high)


@pytest.fixture
def fill():
    """Other records, enough of them held out by position for nothing to be added."""
    some = [record(f"question {n} of {n * 7919}", f"answer {n}", line=n + 10) for n in range(300)]
    held = [r for r in some if position(r.group_digest) < 0.1]
    return [*held, *(r for r in some[:100] if r not in held)]


def fate(result, wanted):
    drop = next((d for d in result.drops if d.place == wanted.place), None)
    if drop is not None:
        return drop.reason
    return next(name for name, side in result.splits._asdict().items() if wanted in side)


@pytest.mark.parametrize(
    ("hidden_side", "leaking_side", "reason"),
    [
        ("holdout", "train", "near_duplicate_in_holdout"),
        ("holdout", "validation", "near_duplicate_in_holdout"),
        ("validation", "train", "near_duplicate_in_validation"),
    ],
)
def test_a_near_duplicate_of_a_hidden_record_is_dropped(
    hidden_side, leaking_side, reason, line, fill
):
    hidden = record(LONG, "Yes", group_on(hidden_side), line=1)
    leaking = record(LONG + " today", "No", group_on(leaking_side), line=2)
    result = line().run([hidden, leaking, *fill])
    assert (fate(result, hidden), fate(result, leaking)) == (hidden_side, reason)
    (drop,) = (d for d in result.drops if d.reason == reason)
    assert drop.duplicate_of == hidden.digest
    (check,) = (c for c in result.compared.checks if c.found)
    assert (check.seen, check.hidden, check.found, check.remaining) == (
        leaking_side, hidden_side, 1, 0,
    )  # fmt: skip
    assert (check.examples[0].place, check.examples[0].hidden) == (leaking.place, hidden.place)


def test_the_same_prompt_with_another_answer_leaks(line, fill):
    hidden = record("Is it?", "Yes, by law.", group_on("holdout"), line=1)
    leaking = record("is  it?", "Nobody can tell.", group_on("train"), line=2)
    assert fate(line().run([hidden, leaking, *fill]), leaking) == "same_prompt_in_holdout"


def test_the_same_instruction_with_another_input_does_not_leak(line, fill):
    hidden = record("Is it fair?\nNo refunds are given.", "No", group_on("holdout"), line=1)
    other = record("Is it fair?\nYou may cancel at any time.", "Yes", group_on("train"), line=2)
    assert fate(line().run([hidden, other, *fill]), other) == "train"


def test_holdout_records_that_near_dedup_dropped_still_guard_their_neighbours(line, fill):
    words = LONG.split()
    chain = [" ".join(words[i : i + 15]) for i in range(4)]
    group = group_on("holdout")
    holdout = [record(text, "Yes", group, line=n) for n, text in enumerate(chain, 1)]
    leaking = record(chain[3] + " today", "No", group_on("train"), line=9)
    result = line(near_dedup={"threshold": 0.7}, split={"leak_threshold": 0.7}).run(
        [*holdout, leaking, *fill]
    )
    assert sum(fate(result, r) == "holdout" for r in holdout) == 1
    assert fate(result, leaking) == "near_duplicate_in_holdout"


def test_a_held_out_record_that_was_deleted_still_bars_its_near_duplicates(line, fill):
    domain = line()
    hidden = record(LONG, "Yes", group_on("holdout"), line=1)
    assert fate(domain.run([hidden, *fill]), hidden) == "holdout"
    leaking = record(LONG + " today", "No", group_on("train"), line=2)
    result = domain.run([leaking, *fill])
    assert fate(result, leaking) == "near_duplicate_in_earlier_holdout"
    (check,) = (c for c in result.compared.checks if c.found)
    assert (check.hidden, check.examples[0].hidden) == ("earlier holdouts", hidden.place)


def test_a_new_record_that_says_what_was_trained_on_is_not_held_out(line, fill):
    domain = line()
    trained = record(LONG, "Yes", group_on("train"), line=1)
    assert fate(domain.run([trained, *fill]), trained) == "train"
    new = record(LONG + " today", "No", group_on("holdout"), line=2)
    result = domain.run([trained, new, *fill])
    assert (fate(result, trained), fate(result, new)) == ("train", "trained_on_before")
    gone = domain.run([new, *fill])  # the trained one was deleted: the champion still knows it
    assert fate(gone, new) == "trained_on_before"


def test_a_repeated_run_decides_as_it_did_the_first_time(line, fill):
    domain = line()
    first = domain.run([record(LONG, "Yes", group_on("holdout"), line=1), *fill])
    domain.run([record(LONG + " today", "No", group_on("train"), line=2), *fill])
    again = domain.run([record(LONG, "Yes", group_on("holdout"), line=1), *fill])
    assert again.splits == first.splits


@pytest.mark.parametrize("keep", ["first", "longest_answer", "source_order"])
def test_the_member_that_stays_is_the_profiles_choice_on_the_winning_side(keep, line, fill):
    answer = "It is so ordered by the court here"
    short = record(LONG, answer, group_on("holdout", "b"), 1, "b")
    long = record(LONG, f"{answer} now", group_on("holdout", "a"), 2, "a")
    train = record(LONG, f"{answer} now yes", group_on("train"), 3)
    sources = [{"name": n, "path": "f", "license": "MIT"} for n in ("b", "a", "s")]
    result = line(sources=sources, near_dedup={"threshold": 0.6, "keep": keep}).run(
        [short, long, train, *fill]
    )
    stays = {r.place for r in (short, long, train) if fate(result, r) == "holdout"}
    assert len(stays) == 1
    if keep != "first":
        assert stays == {"longest_answer": {long.place}, "source_order": {short.place}}[keep]


@pytest.mark.parametrize("last", ["holdout", "train"])
def test_a_copy_of_what_was_trained_on_never_guards_whatever_row_is_last(last, line, fill):
    domain = line()
    trained = record(LONG, "Yes", group_on("train"), line=1)
    domain.run([trained, *fill])
    group = group_on("holdout")
    copies = [record(LONG + " today", "No", group, line=n) for n in (2, 3)]
    end = record("what ends the file?", "this row", group_on(last), line=999)
    first = domain.run([*copies, *fill, end])
    assert "trained_on_before" in {fate(first, copy) for copy in copies}
    again = domain.run([*copies, *fill, end, record("one more?", "row", line=1000)])
    assert not {fate(again, copy) for copy in copies} & {"holdout"}


def test_a_prompt_that_differs_in_marks_alone_leaks(line, fill):
    hidden = record("May the landlord enter?", "Only by appointment.", group_on("holdout"), line=1)
    other = record("May the landlord enter", "Never, says the court.", group_on("train"), line=2)
    assert fate(line().run([hidden, other, *fill]), other) == "same_prompt_in_holdout"


def test_a_held_out_question_inside_a_training_conversation_leaks(line, fill):
    question = "May the landlord enter the flat without notice?"
    hidden = record(question, "Only in an emergency.", group_on("holdout"), line=1)
    turns = (
        Message("user", question),
        Message("assistant", "Only in an emergency."),
        Message("user", "And what is an emergency, for example?"),
        Message("assistant", "A burst pipe."),
    )
    talk = Record(turns, "s", "f", 2, group_on("train"))
    assert fate(line().run([hidden, talk, *fill]), talk) == "same_prompt_in_holdout"


def test_short_turns_that_conversations_share_do_not_leak(line, fill):
    def talk(subject, side, n):
        turns = (
            Message("user", f"Tell me about {subject} in the law of contracts"),
            Message("assistant", f"{subject} it is."),
            Message("user", "And then?"),
            Message("assistant", f"Then more of {subject}."),
        )
        return Record(turns, "s", "f", n, group_on(side))

    seen, hidden = talk("offer and acceptance", "train", 1), talk("frustration", "holdout", 2)
    assert fate(line().run([seen, hidden, *fill]), seen) == "train"


def test_milder_dedup_does_not_mean_a_leaking_holdout(line, fill):
    hidden = record(LONG, "Yes", group_on("holdout"), line=1)
    leaking = record(LONG + " today", "Yes", group_on("train"), line=2)
    result = line(near_dedup={"threshold": 1.0}).run([hidden, leaking, *fill])
    assert fate(result, leaking) == "near_duplicate_in_holdout"
