import polars as pl

from tuneline.data.keys import numbered
from tuneline.records import text_digest


def test_digests_as_numbers_are_equal_and_sorted_as_the_digests_are():
    digests = [text_digest(str(n % 300)) for n in range(500)]
    frame = pl.DataFrame({"digest": digests, "line": range(500)})
    found = numbered(frame.lazy()).collect()
    assert found["digest"].to_list() == [int(digest[:32], 16) for digest in digests]
    assert found.sort("digest", "line")["line"].equals(frame.sort("digest", "line")["line"])
