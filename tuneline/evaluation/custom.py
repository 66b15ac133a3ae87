"""Metrics of a team's own: a function by dotted name, an `evaluate` module by folder."""

import hashlib
import importlib
import inspect
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tuneline.errors import EvaluationError
from tuneline.evaluation.metric import Metric, ScoreRecords, always

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
DIGEST_DIGITS = 16


def is_custom(name: str) -> bool:
    """Whether a metric's name is `package.module:function` or a folder."""
    return ":" in name or "/" in name


def custom_metric(name: str) -> Metric:
    """Load a metric by `package.module:function`, or by `./folder#key` of an `evaluate` module.

    A function takes N predictions and N references and returns N scores in [0, 1], None where it
    has nothing to judge. The digest of its source file is part of the identity.

    Raises:
        EvaluationError: It cannot be loaded, with the reason.
    """
    return _evaluate_module(name) if "/" in name else _function(name)


def _function(name: str) -> Metric:
    if not _FUNCTION.fullmatch(name):
        raise EvaluationError(f"metric {name!r} must look like my_package.my_metric:score")
    module_name, function_name = name.split(":")
    module = _import(name, module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise EvaluationError(f"metric {name!r}: {module_name} has no function {function_name!r}")
    source = inspect.getsourcefile(module)
    digest = _digest([Path(source)]) if source else "unknown"
    return Metric(
        _checked(name, function),
        always("its own"),
        is_per_record=False,
        settings=f"source {digest}",
    )


def _import(name: str, module_name: str) -> Any:
    """Import a team's module; the current folder is searched last."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        raise EvaluationError(
            f"metric {name!r}: importing {module_name} failed with "
            f"{type(error).__name__}: {error}; it must be installed or lie under {here}"
        ) from error


def _evaluate_module(name: str) -> Metric:
    """A metric of the `evaluate` library from a local folder; nothing is downloaded."""
    place, _, key = name.partition("#")
    folder = Path(place).expanduser().absolute()
    script = folder / f"{folder.name}.py"
    if not script.is_file():
        raise EvaluationError(
            f"metric {name!r}: {script} does not exist; an `evaluate` module is a folder that "
            "holds a script of its name, and modules of the hub are copied to disk first"
        )
    digest = _digest(sorted(folder.rglob("*.py")))
    loaded: list[Any] = []

    def score(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
        if not loaded:
            loaded.append(_load_evaluate(name, folder))
        pairs = zip(predictions, references, strict=True)
        return [_one_result(name, key, loaded[0], p, r) for p, r in pairs]

    return Metric(
        _checked(name, score),
        always("its own"),
        ("evaluate",),
        is_per_record=False,
        settings=f"source {digest}",
    )


def _load_evaluate(name: str, folder: Path) -> Any:
    import evaluate

    try:
        return evaluate.load(str(folder))
    except Exception as error:
        raise EvaluationError(
            f"metric {name!r}: evaluate cannot load {folder}: {type(error).__name__}: {error}"
        ) from error


def _one_result(name: str, key: str, module: Any, prediction: str, reference: str) -> Any:
    """The module's value for one record: its only one, or that of `key`."""
    result = module.compute(predictions=[prediction], references=[reference])
    if key:
        if key not in result:
            raise EvaluationError(f"metric {name!r}: its result has {', '.join(result)}, no {key}")
        return result[key]
    if len(result) != 1:
        raise EvaluationError(
            f"metric {name!r} gives {', '.join(result)}; name one of them, such as "
            f"{name}#{next(iter(result))}"
        )
    return next(iter(result.values()))


def _checked(name: str, function: Callable[..., Any]) -> ScoreRecords:
    """The function, with empty predictions scored 0 and its answers checked."""

    def score(predictions: Sequence[str], references: Sequence[str]) -> list[float | None]:
        pairs = list(zip(predictions, references, strict=True))
        answered = [(p, r) for p, r in pairs if p.strip()]
        values = iter(_run(name, function, answered))
        return [next(values) if prediction.strip() else 0.0 for prediction, _ in pairs]

    return score


def _run(
    name: str, function: Callable[..., Any], pairs: Sequence[tuple[str, str]]
) -> list[float | None]:
    if not pairs:
        return []
    try:
        given = list(function([p for p, _ in pairs], [r for _, r in pairs]))
    except EvaluationError:
        raise
    except Exception as error:
        raise EvaluationError(f"metric {name!r} raised {type(error).__name__}: {error}") from error
    if len(given) != len(pairs):
        raise EvaluationError(f"metric {name!r} gave {len(given)} scores for {len(pairs)} records")
    return [_score(name, value) for value in given]


def _score(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise EvaluationError(f"metric {name!r} gave {value!r}; scores run from 0 to 1, or None")
    return number


def _digest(files: Sequence[Path]) -> str:
    hasher = hashlib.sha256()
    for file in files:
        hasher.update(file.read_bytes())
    return hasher.hexdigest()[:DIGEST_DIGITS]
