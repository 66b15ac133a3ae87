import polars as pl

from tuneline.data.statistics import count_languages


def test_languages_that_are_as_frequent_stand_by_name():
    languages = ["zh", *["ro", "hi", "ja", "id", "pt"] * 3, *["en"] * 9]
    found = count_languages(pl.DataFrame({"language": languages}))
    assert list(found) == ["en", "hi", "id", "ja", "pt", "ro", "zh"]
    assert found["en"] == 9
