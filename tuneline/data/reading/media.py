"""Columns that hold images, videos or sounds: such rows are not text alone."""

from collections.abc import Mapping
from typing import Any

MEDIA_KEYS = frozenset({"images", "image", "videos", "video", "audios", "audio"})


def media_of(row: Mapping[str, Any]) -> str | None:
    """The first filled column of images, videos or sounds."""
    if MEDIA_KEYS.isdisjoint(row):
        return None
    return next((key for key in row if key in MEDIA_KEYS and row[key]), None)
