"""Metrics of a team's own, by dotted name and by folder."""

from pathlib import Path
from textwrap import dedent

import pytest

from tuneline.errors import EvaluationError
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.metrics import metric_named

SETTINGS = EvaluationConfig()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with room for modules of a name that nothing else has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder: Path, name: str, source: str) -> None:
    (folder / f"{name}.py").write_text(dedent(source))


def test_a_function_of_ones_own_is_a_metric_and_its_source_is_in_the_identity(package: Path):
    source = "def score(predictions, references):\n    return [len(p) / 10 for p in predictions]\n"
    write(package, "own_length", source)
    metric = metric_named("own_length:score", SETTINGS)
    assert metric.score(["abcde", "", "abc"], ["x", "y", "z"]) == [0.5, 0.0, 0.3]
    one = metric.identity("own_length:score", "d", "r")
    write(package, "own_length", source + "# changed\n")
    other = metric_named("own_length:score", SETTINGS).identity("own_length:score", "d", "r")
    assert "|source " in one
    assert one != other


def test_empty_answers_score_zero_without_asking_the_function(package: Path):
    write(package, "own_strict", "def score(p, r):\n    return [1.0 / len(t) for t in p]\n")
    metric = metric_named("own_strict:score", SETTINGS)
    assert metric.score(["", "a", " "], ["x"] * 3) == [0.0, 1.0, 0.0]
    assert metric.score([""], ["x"]) == [0.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [2.0] * len(p)", r"gave 2\.0; scores run from 0 to 1"),
        ("return [float('nan')] * len(p)", r"gave nan; scores run"),
        ("return ['high'] * len(p)", r"gave 'high'; scores run"),
        ("return [1.0]", r"gave 1 scores for 2 records"),
        ("return 1.0", r"raised TypeError: 'float' object is not iterable"),
        ("raise KeyError('rate')", r"raised KeyError: 'rate'"),
    ],
)
def test_a_metric_that_breaks_its_contract_is_named(package: Path, body: str, message: str):
    name = f"own_wrong_{abs(hash(body))}"
    write(package, name, f"def score(p, r):\n    {body}\n")
    with pytest.raises(EvaluationError, match=message) as error:
        metric_named(f"{name}:score", SETTINGS).score(["a", "b"], ["a", "b"])
    assert f"{name}:score" in str(error.value)


def test_a_metric_that_cannot_be_loaded_is_refused_with_the_reason(package: Path):
    write(package, "own_broken", "import no_such_library\n")
    write(package, "own_other", "VALUE = 1\n")
    for name, message in {
        "own_missing:score": r"importing own_missing failed with ModuleNotFoundError",
        "own_broken:score": r"failed with ModuleNotFoundError: No module named 'no_such_library'",
        "own_other:score": r"own_other has no function 'score'",
        "own_other:VALUE": r"own_other has no function 'VALUE'",
        "own other:score": r"must look like my_package\.my_metric:score",
    }.items():
        with pytest.raises(EvaluationError, match=message):
            metric_named(name, SETTINGS)


EVALUATE_MODULE = """
    import datasets
    import evaluate


    class Share(evaluate.Metric):
        def _info(self):
            text = datasets.Value("string")
            return evaluate.MetricInfo(
                description="", citation="", inputs_description="",
                features=datasets.Features({"predictions": text, "references": text}),
            )

        def _compute(self, predictions, references):
            pairs = list(zip(predictions, references))
            return {"first": sum(p[0] == r[0] for p, r in pairs) / len(pairs), "second": 0.5}
"""


def test_an_evaluate_module_in_a_folder_is_a_metric(package: Path, monkeypatch):
    monkeypatch.setattr("evaluate.config.HF_MODULES_CACHE", str(package / "cache"))
    folder = package / "own_share"
    folder.mkdir()
    write(folder, "own_share", EVALUATE_MODULE)
    metric = metric_named("./own_share#first", SETTINGS)
    assert metric.score(["abc", "xbc", ""], ["axx", "abc", "a"]) == [1.0, 0.0, 0.0]
    identity = metric.identity("./own_share#first", "d", "r")
    assert "|evaluate " in identity
    assert "|source " in identity
    with pytest.raises(EvaluationError, match=r"gives first, second; name one of them"):
        metric_named("./own_share", SETTINGS).score(["a"], ["a"])
    with pytest.raises(EvaluationError, match="its result has first, second, no third"):
        metric_named("./own_share#third", SETTINGS).score(["a"], ["a"])


def test_a_folder_without_a_module_is_refused_before_anything_is_downloaded(package: Path):
    with pytest.raises(EvaluationError, match=r"rouge/rouge\.py does not exist; .* of the hub"):
        metric_named("./rouge", SETTINGS)
    folder = package / "own_empty"
    folder.mkdir()
    write(folder, "own_empty", "import no_such_library\n")
    with pytest.raises(EvaluationError, match="evaluate cannot load"):
        metric_named("./own_empty", SETTINGS).score(["a"], ["a"])
