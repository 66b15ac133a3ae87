"""What makes a release a major one: whoever calls the model has to look at it again. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

COMPARED: Mapping[str, str] = {
    "base_model": "base model",
    "base_model_revision": "revision of the base model",
    "base_model_digest": "weights of the base model",
    "chat_template_digest": "chat template",
}
"""Key of a lineage -> what it is called in a reason."""
LABELS = "labels"
MAX_NAMED = 5


def major_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a release with lineage `after` is a major one; empty: it is a minor one.

    Other base model, chat template or label set than the last release. What one of the two did not
    record makes nothing major: an older Tuneline wrote it.

    Args:
        before: Lineage of the last release; empty where there is none.
        after: Lineage of the new one.
    """
    named = tuple(
        f"{what}: {_short(before[key])} -> {_short(after[key])}"
        for key, what in COMPARED.items()
        if key in before and key in after and before[key] != after[key]
    )
    return (*named, *_label_changes(before.get(LABELS), after.get(LABELS)))


def _label_changes(before: Any, after: Any) -> Iterator[str]:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    for source in sorted(before.keys() | after.keys()):
        old, new = set(before.get(source, ())), set(after.get(source, ()))
        if added := sorted(new - old):
            yield f"labels of {source}: new {_names(added)}"
        if gone := sorted(old - new):
            yield f"labels of {source}: gone {_names(gone)}"


def _names(labels: list[str]) -> str:
    more = f" and {len(labels) - MAX_NAMED} more" if len(labels) > MAX_NAMED else ""
    return ", ".join(labels[:MAX_NAMED]) + more


def _short(value: Any) -> str:
    text = str(value) or "none"
    is_digest = len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text)
    return text[:12] if is_digest else text
