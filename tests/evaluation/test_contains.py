import pytest

from tuneline.evaluation.contains import contains


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("The capital of France is Paris.", "Paris", 1.0),
        ("PARIS", "paris", 1.0),
        ("Parisian", "Paris", 0.0),
        ("It is the Carbon  Dioxide (CO2).", "carbon dioxide", 1.0),
        ("A leap year has 366 days.", "366", 1.0),
        ("A leap year has 366 days.", "66", 0.0),
        ("0.5 is larger", "5", 0.0),
        ("1,366 days", "366", 0.0),
        ("It is 12.", "12", 1.0),
        ("It is 12.5", "12", 0.0),
        ("中国的首都是北京。", "北京", 1.0),
        ("中国的首都是上海。", "北京", 0.0),
        ("水在100℃沸腾", "100", 1.0),
        ("水在１００度沸腾", "100", 1.0),
        ("", "Paris", 0.0),
        ("Paris", "", None),
        ("a+b", "a+b", 1.0),
    ],
)
def test_the_reference_stands_somewhere_as_whole_words(prediction, reference, expected):
    assert contains([prediction], [reference]) == [expected]
