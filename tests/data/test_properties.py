"""What holds for any records: order is nothing, new rows move nothing, the holdout never leaks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.data.config import DataConfig
from tuneline.data.prepare import prepare_records
from tuneline.data.shingles import jaccard, shingle_sets
from tuneline.records import Message, Record, comparison_text

CONFIG = DataConfig.model_validate(
    {
        "sources": [{"name": "s", "path": "f", "license": "MIT"}],
        "near_dedup": {"threshold": 0.6},
        "split": {"holdout_fraction": 0.3, "validation_fraction": 0.2},
    }
)
# Few words, so that exact and near copies, conflicts and shared groups are common.
WORDS = st.sampled_from(
    ["rent", "Rent", "deed", "lease", "合同", "违约", "责任", "。", "1", "+", "{"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=7).map(" ".join)
GROUPS = st.sampled_from([None, None, "a", "b", "c", "d"])
examples = settings(max_examples=60, deadline=None)


@st.composite
def record_lists(draw, max_size=25):
    rows = draw(st.lists(st.tuples(TEXTS, TEXTS, GROUPS), min_size=1, max_size=max_size))
    return [
        Record((Message("user", prompt), Message("assistant", answer)), "s", "f", line, group)
        for line, (prompt, answer, group) in enumerate(rows, 1)
    ]


def identities(records):
    return {(record.digest, record.group_digest) for record in records}


def texts(records):
    return [f"{record.prompt_text}\n{record.reference}" for record in records]


@examples
@given(record_lists(), st.randoms())
def test_the_order_of_rows_changes_nothing(records, random):
    shuffled = random.sample(records, len(records))
    before = prepare_records(records, CONFIG).splits
    after = prepare_records(shuffled, CONFIG).splits
    assert before == after


@examples
@given(record_lists(), record_lists())
def test_new_rows_move_no_record_and_bring_none_back(old, new):
    before = prepare_records(old, CONFIG).splits
    after = prepare_records([*old, *new], CONFIG).splits
    assert not identities(before.holdout) & identities([*after.train, *after.validation])
    assert not identities([*before.train, *before.validation]) & identities(after.holdout)
    digests = {record.digest for record in before.holdout}
    assert not digests & {record.digest for record in [*after.train, *after.validation]}
    came_back = identities(after.train) & identities(old) - identities(before.train)
    assert not came_back


@examples
@given(record_lists())
def test_no_train_row_is_near_a_holdout_row_or_has_its_prompt(records):
    train, validation, holdout = prepare_records(records, CONFIG).splits
    for seen, hidden in ((train, holdout), (validation, holdout), (train, validation)):
        sets = shingle_sets(texts(seen) + texts(hidden))
        pairs = [(i, len(seen) + j) for i in range(len(seen)) for j in range(len(hidden))]
        similarity = jaccard(sets, np.array(pairs, dtype=np.int64).reshape(-1, 2))
        assert (similarity < CONFIG.near_dedup.threshold).all()
        prompts = {comparison_text(record.prompt_text) for record in hidden}
        assert not prompts & {comparison_text(record.prompt_text) for record in seen}


@examples
@given(record_lists())
def test_every_record_is_kept_once_or_dropped_once(records):
    splits, drops = prepare_records(records, CONFIG)
    kept = [record.line for side in splits for record in side]
    dropped = [int(drop.place.split(":")[1]) for drop in drops]
    assert sorted(kept + dropped) == list(range(1, len(records) + 1))
