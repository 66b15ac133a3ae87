"""What holds for any records: order is nothing, new rows move nothing, the holdout never leaks."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.data.line import Line
from tuneline.data.dedup.shingles import jaccard, sketch
from tuneline.data.keys import question_key
from tuneline.records import Message, Record

THRESHOLD = 0.6
SETTINGS = {
    "near_dedup": {"threshold": THRESHOLD},
    "split": {
        "holdout_fraction": 0.3,
        "validation_fraction": 0.2,
        "leak_threshold": THRESHOLD,
    },
}
# Few words, so that exact and near copies, conflicts and shared groups are common.
WORDS = st.sampled_from(
    ["rent", "Rent", "deed", "lease", "合同", "违约", "责任", "。", "1", "+", "{"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=7).map(" ".join)
GROUPS = st.sampled_from([None, None, "a", "b", "c", "d"])
ROWS = st.tuples(TEXTS, TEXTS, GROUPS)
examples = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def record(row, line):
    prompt, answer, group = row
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, "s", "f", line, group)


def records_of(rows):
    return [record(row, line) for line, row in enumerate(rows, 1)]


RECORDS = st.lists(ROWS, min_size=1, max_size=25).map(records_of)


def decide(records):
    """One run of a domain that has no past."""
    with tempfile.TemporaryDirectory() as folder:
        return Line(Path(folder), **SETTINGS).run(records)


def full_texts(records):
    return [f"{r.prompt_text}\n{r.reference}" for r in records]


def leaks(seen, hidden):
    """Pairs of a seen and a hidden record that are near or share a prompt, all compared."""
    sets = sketch(full_texts(seen) + full_texts(hidden), THRESHOLD)
    pairs = np.array(
        [(i, len(seen) + j) for i in range(len(seen)) for j in range(len(hidden))], dtype=np.int64
    ).reshape(-1, 2)
    near = int((jaccard(sets, pairs) >= THRESHOLD).sum())
    prompts = {question_key(r.prompt_text) for r in hidden}
    return near + sum(question_key(r.prompt_text) in prompts for r in seen)


@examples
@given(RECORDS, st.randoms())
def test_the_order_of_rows_changes_nothing(records, random):
    shuffled = random.sample(records, len(records))
    assert decide(records).splits == decide(shuffled).splits


@examples
@given(RECORDS)
def test_no_row_is_near_a_row_hidden_from_it_or_has_its_prompt(records):
    result = decide(records)
    train, validation, holdout = result.splits
    assert not leaks(train, holdout)
    assert not leaks(validation, holdout)
    assert not leaks(train, validation)
    assert all(check.remaining == 0 for check in result.compared.checks)


@examples
@given(RECORDS)
def test_every_record_is_kept_once_or_dropped_once(records):
    splits, drops, _ = decide(records)
    kept = [r.line for side in splits for r in side]
    dropped = [int(drop.place.split(":")[1]) for drop in drops]
    assert sorted(kept + dropped) == list(range(1, len(records) + 1))


class Retrains(RuleBasedStateMachine):
    """A domain over many retrains: rows come, go and change places; the holdout is forever."""

    @initialize(rows=st.lists(ROWS, min_size=5, max_size=20))
    def start(self, rows):
        self.folder = Path(tempfile.mkdtemp())
        self.split = SETTINGS["split"]
        self.line = Line(self.folder, **SETTINGS)
        self.n_rows = 0
        self.records: list[Record] = []
        self.held: list[Record] = []
        self.held_by: dict[int, list[Record]] = {}
        self.trained: list[Record] = []
        self.grow(rows)

    @rule(rows=st.lists(ROWS, min_size=1, max_size=10))
    def grow(self, rows):
        """New rows; some are near-duplicates of rows that were there."""
        new = [record(row, self.n_rows + n) for n, row in enumerate(rows, 1)]
        self.n_rows += len(new)
        self.records += new
        self.retrain()

    @rule(data=st.data())
    def delete_rows(self, data):
        """Rows go, held-out ones too."""
        if self.records:
            some = st.lists(st.sampled_from(self.records), max_size=len(self.records) // 2)
            gone = data.draw(some)
            self.records = [r for r in self.records if r not in gone]
            self.retrain()

    @rule(random=st.randoms())
    def shuffle(self, random):
        """The file is written in another order."""
        random.shuffle(self.records)
        self.retrain()

    @rule(fraction=st.sampled_from([0.1, 0.3, 0.5]))
    def change_the_share(self, fraction):
        """Somebody asks for a smaller or a larger holdout."""
        self.change(holdout_fraction=fraction)

    @rule(generation=st.integers(0, 2))
    def change_the_generation(self, generation):
        """Somebody asks for a fresh holdout, or for an earlier one again."""
        self.change(holdout_generation=generation)

    def change(self, **split):
        self.split = self.split | split
        self.line = Line(self.folder, **(SETTINGS | {"split": self.split}))
        self.retrain()

    def retrain(self):
        """Split again and hold the sides against all that earlier runs did."""
        if not self.records:
            return
        train, validation, holdout = self.line.run(self.records).splits
        digests = {r.digest for r in [*train, *validation]}
        assert not digests & {r.digest for r in self.held}, "a held-out record came back"
        assert not {r.digest for r in holdout} & {r.digest for r in self.trained}
        new = [r for r in holdout if r.digest not in {h.digest for h in self.held}]
        assert not leaks(self.trained, new), "what was trained on is held out"
        generation = self.line.config.split.holdout_generation
        others = [r for g, rows in self.held_by.items() if g != generation for r in rows]
        assert not {r.digest for r in holdout} & {r.digest for r in others}, "a worn record"
        assert not leaks(new, others), "a fresh record says what a worn one says"
        self.held_by[generation] = [*self.held_by.get(generation, []), *new]
        self.held += new
        self.trained += [*train, *validation]
        assert not leaks([*train, *validation], self.held), "what was held out is trained on"

    @invariant()
    def held_and_trained_have_no_record_in_common(self):
        """Over all time."""
        held = {r.digest for r in getattr(self, "held", [])}
        assert not held & {r.digest for r in getattr(self, "trained", [])}

    def teardown(self):
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)


TestRetrains = Retrains.TestCase
TestRetrains.settings = settings(
    max_examples=15, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
