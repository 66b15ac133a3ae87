"""Profile: every stage's settings for one domain, read from `profiles/<name>.yaml`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuneline.base_model import BaseModelConfig
from tuneline.data.config import DataConfig
from tuneline.errors import EvaluationError, ProfileError
from tuneline.evaluation.config import EvaluationConfig
from tuneline.evaluation.metrics import chosen_metrics, metric_named
from tuneline.hooks.config import HooksConfig
from tuneline.quantization.config import QuantizationConfig
from tuneline.release.promotion import PromotionGate
from tuneline.reporting.card import CardConfig
from tuneline.search.config import SearchConfig
from tuneline.training.config import TrainingConfig

PROFILES = Path("profiles")
M = TypeVar("M", bound=BaseModel)


class Profile(BaseModel):
    """All that one domain's retraining depends on, besides the data itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    domain: str = Field(pattern="^[a-z][a-z0-9_]*$")
    """Name of the domain, of its registered model, and part of its release names."""
    base_model: BaseModelConfig
    data: DataConfig
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    quantization: QuantizationConfig = QuantizationConfig()
    gate: PromotionGate = PromotionGate()
    allowed_licenses: tuple[str, ...] | None = None
    """SPDX names that base model and data may have; unset: licences are only reported."""
    hooks: HooksConfig = HooksConfig()
    """Who is told when the champion changes."""
    card: CardConfig = CardConfig()
    """What a release's model card says beside what is measured."""
    promotion: Literal["automatic", "manual"] = "automatic"
    """automatic: a candidate that passes the gate becomes champion. manual: it becomes challenger
    and waits for `tuneline promote`."""

    @model_validator(mode="after")
    def _metrics_exist(self) -> "Profile":
        named = {s.name: s.metric for s in (*self.data.sources, *self.data.benchmarks)}
        where = {metric: f"of source {source}" for source, metric in named.items()}
        for metric in self.evaluation.metrics:
            where.setdefault(metric, "of evaluation.metrics")
        for metric, place in where.items():
            try:
                metric_named(metric, self.evaluation)
            except EvaluationError as error:
                raise ValueError(f"metric {place}: {error}") from error
        return self

    @model_validator(mode="after")
    def _gate_metrics_are_measured(self) -> "Profile":
        judged = (source.metric for source in self.data.sources)
        measured = chosen_metrics(judged, self.evaluation)
        for metric in self.gate.metrics:
            if metric not in measured:
                raise ValueError(
                    f"gate.metrics names {metric!r}, which is not measured; measured are "
                    f"{', '.join(measured)}; evaluation.metrics can name more"
                )
        return self

    @model_validator(mode="after")
    def _gate_targets_exist(self) -> "Profile":
        known = self.quantization.targets
        for target in self.gate.targets:
            if target not in known:
                raise ValueError(
                    f"gate.targets names {target!r}, which is not one of quantization.targets "
                    f"({', '.join(known)})"
                )
        return self

    @model_validator(mode="after")
    def _general_questions_exist(self) -> "Profile":
        names = [source.name for source in self.data.benchmarks]
        general = self.evaluation.general
        if general and general.benchmark not in names:
            raise ValueError(
                f"evaluation.general.benchmark names {general.benchmark!r}, which is not one of "
                f"data.benchmarks ({', '.join(names) or 'none'})"
            )
        return self

    @model_validator(mode="after")
    def _mixed_sources_exist(self) -> "Profile":
        names = [source.name for source in self.data.sources]
        for name in self.training.source_fractions:
            if name not in names:
                raise ValueError(
                    f"training.source_fractions names the source {name!r}, which does not exist; "
                    f"known are {', '.join(names)}"
                )
        return self


def load_profile(name: str, overrides: Mapping[str, Any] | None = None) -> Profile:
    """Read a profile and change single settings of it.

    Args:
        name: A file of `profiles/` without its ending, or a path to a YAML file.
        overrides: Dotted key -> value, such as `{"training.epochs": 1}`.

    Raises:
        ProfileError: The file is missing or not YAML, or a key or value is wrong; names file, key,
            value and what is allowed.
    """
    path = _find(name)
    settings = _read_yaml(path)
    for key, value in (overrides or {}).items():
        _set(settings, key, value)
    return validate(Profile, str(path), settings)


def validate(model: type[M], place: str, settings: Mapping[str, Any]) -> M:
    """Settings as a model.

    Args:
        model: Whose fields they are.
        place: Where they come from, for the error.
        settings: Key -> value.

    Raises:
        ProfileError: A key or value is wrong; names place, key, value and what is allowed.
    """
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise ProfileError(_explain(model, place, error)) from error


def parse_override(text: str) -> tuple[str, Any]:
    """Split `training.epochs=1` into key and value; the value is read as YAML.

    Raises:
        ProfileError: There is no `=`, or no key before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ProfileError(f"override {text!r} must look like training.epochs=1")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ProfileError(f"the value of override {text!r} is not YAML") from error


def _find(name: str) -> Path:
    path = Path(name) if name.endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"
    if path.is_file():
        return path
    known = ", ".join(sorted(file.stem for file in PROFILES.glob("*.yaml"))) or "none"
    raise ProfileError(f"{path} does not exist; profiles in {PROFILES.absolute()}: {known}")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(
            f"{path} is not YAML in UTF-8: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(settings, dict):
        raise ProfileError(f"{path} must hold settings such as `domain: lawyer`")
    return settings


def _set(settings: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    target: Any = settings
    for parent in parents:
        target = _item(target, parent, dotted)
    if isinstance(target, list):
        target[_index(target, last, dotted)] = value
    else:
        target[last] = value


def _item(target: Any, part: str, dotted: str) -> Any:
    item = target[_index(target, part, dotted)] if isinstance(target, list) else None
    if isinstance(target, dict):
        item = target.setdefault(part, {})
    if not isinstance(item, dict | list):
        raise ProfileError(f"override {dotted}: {part!r} is not a section of the profile")
    return item


def _index(items: list[Any], part: str, dotted: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise ProfileError(f"override {dotted}: {part!r} must be a number below {len(items)}")
    return int(part)


def _explain(model: type[BaseModel], place: str, error: ValidationError) -> str:
    """One sentence: file, key, value, what is allowed."""
    problems = error.errors()
    causes = [p for p in problems if not _follows_from_another(p["loc"], problems)]
    return f"{place}: " + "; ".join(_problem(model, dict(problem)) for problem in causes)


def _follows_from_another(location: tuple[Any, ...], problems: Sequence[Any]) -> bool:
    """Whether a list is only too short because one of its items is wrong."""
    deeper = [p["loc"] for p in problems if len(p["loc"]) > len(location)]
    return any(other[: len(location)] == location for other in deeper)


def _problem(root: type[BaseModel], problem: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = ", ".join(_fields(root, problem["loc"][:-1]))
        return f"{key} is not a setting; allowed there: {allowed}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    message = re.sub("^Value error, ", "", problem["msg"])
    if not key:  # settings of two sections that do not fit each other; they name themselves
        return message
    value = problem["input"]
    shown = "" if isinstance(value, dict | list) else f" = {value!r}"
    return f"{key}{shown}: {message[0].lower()}{message[1:]}"


def _fields(root: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the settings of the section at a location below the root."""
    model: Any = root
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next(iter(getattr(annotation, "__args__", ())), annotation)
    return sorted(model.model_fields)
