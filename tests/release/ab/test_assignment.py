import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tuneline.release.ab.assignment import assign, position

VECTORS = Path(__file__).parents[3] / "docs" / "ab-assignment-vectors.json"
names = st.text(st.characters(exclude_categories=["Cs"]))


def test_the_documented_vectors_hold():
    rows = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert len(rows) == 30
    for row in rows:
        assert position(row["salt"], row["user_id"]) == row["position"]
        assert row["position"] == int(row["first_8_bytes"], 16) / 2**64
        for share in (0.1, 0.5):
            assert assign(row["salt"], share, row["user_id"]) == row[f"variant_at_{share}"]


def test_a_vector_equals_what_sha256sum_prints():
    """`printf '%s' 'lawyer-ab-12:王小明' | sha256sum` prints 20ffa64b067b1dee..."""
    assert position("lawyer-ab-12", "王小明") == 0x20FFA64B067B1DEE / 2**64


@given(names, names, st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_larger_share_only_adds_challengers(salt, user, one, two):
    small, large = sorted((one, two))
    if assign(salt, small, user) == "challenger":
        assert assign(salt, large, user) == "challenger"


def test_shares_are_met_and_two_salts_draw_independently():
    users = [f"用户-{i}" for i in range(20_000)]
    first = [assign("one", 0.1, user) == "challenger" for user in users]
    second = [assign("two", 0.1, user) == "challenger" for user in users]
    both = [a and b for a, b in zip(first, second, strict=True)]
    assert abs(sum(first) - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5
    assert abs(sum(both) - 200) < 5 * (20_000 * 0.01 * 0.99) ** 0.5
