"""A dataset_info.json as LLaMA-Factory has it: one entry of it is a source like any other."""

import json
import posixpath
from collections.abc import Mapping
from typing import Any

from tuneline.data.reading.config import RoleName, SourceConfig
from tuneline.data.reading.opening import file_errors, open_bytes
from tuneline.data.reading.rows import MAX_ROW_BYTES
from tuneline.errors import DataError

FILE_NAME = "dataset_info.json"
HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url")
LOCAL = ("file:", "local:")
MEDIA = ("images", "videos", "audios")

ALPACA_FIELDS = {"prompt": "instruction", "query": "input", "response": "output"}
OWN_FIELDS = ("history", "system", "tools", "chosen", "rejected")
MESSAGES_FIELD = {"sharegpt": "conversations", "openai": "messages"}
ROLE_TAGS: dict[str, RoleName] = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


def resolve_entry(source: SourceConfig) -> SourceConfig:
    """The source itself, or the one that its `entry` of a dataset_info.json stands for.

    Raises:
        DataError: The file or the entry cannot be used; with the reason.
    """
    if posixpath.basename(source.path) != FILE_NAME:
        return source
    entry = _entry(source.path, _load(source.path), source.entry)
    place = f"{source.path}: entry {source.entry!r}"
    layout = {"path": _path(place, source.path, entry), "entry": None} | _layout(place, entry)
    return source.model_copy(update=layout | _own_settings(source, layout))


def _load(path: str) -> Mapping[str, Any]:
    with file_errors(path), open_bytes(path) as stream:
        text = stream.read(MAX_ROW_BYTES)
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}; mend it") from None
    if not isinstance(entries, dict):
        raise DataError(f"{path}: not an object of entries; expected {{name: {{file_name: ...}}}}")
    return entries


def _entry(path: str, entries: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    found = entries.get(name or "")
    if not isinstance(found, dict):
        local = [key for key, entry in entries.items() if "file_name" in entry]
        what = f"no entry {name!r}" if name else "the source names no 'entry'"
        raise DataError(f"{path}: {what}; entries with a file: {', '.join(local) or 'none'}")
    return found


def _path(place: str, info_path: str, entry: Mapping[str, Any]) -> str:
    if name := str(entry.get("file_name") or ""):
        if posixpath.isabs(name) or ".." in name.split("/") or "://" in name:
            raise DataError(
                f"{place}: file_name {name!r} leads out of its folder; move the file in"
            )
        return posixpath.join(posixpath.dirname(info_path), name)
    if url := str(entry.get("cloud_file_name") or ""):
        if "://" not in url or url.startswith(LOCAL):
            raise DataError(
                f"{place}: cloud_file_name {url!r} is no URL of a bucket; use file_name"
            )
        return url
    hub = next((f" ({entry[key]})" for key in HUBS if key in entry), "")
    raise DataError(
        f"{place} lies on a hub{hub}, and nothing is downloaded; save the files, "
        "then name them by 'file_name' or as 'path'"
    )


def _layout(place: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `format`, `columns` and `roles` that the entry stands for."""
    columns, formatting = entry.get("columns", {}), entry.get("formatting", "alpaca")
    if media := [name for name in MEDIA if name in columns]:
        raise DataError(f"{place} has {', '.join(media)}; only text can be trained on")
    if formatting != "alpaca" and formatting not in MESSAGES_FIELD:
        known = ", ".join(["alpaca", *MESSAGES_FIELD])
        raise DataError(f"{place}: formatting {formatting!r} is unknown; understood: {known}")
    is_pair = bool(entry.get("ranking"))
    if formatting == "alpaca" and columns and "response" not in columns and not is_pair:
        raise DataError(
            f"{place} names no 'response' column: it is text to pretrain on, without answers; "
            "use a data set of prompts and answers"
        )
    name = "kto" if "kto_tag" in columns else {"openai": "messages"}.get(formatting, formatting)
    settings = _alpaca(columns) if formatting == "alpaca" else _turns(formatting, entry)
    return {"format": "preference" if is_pair else name, **settings}


def _alpaca(columns: Mapping[str, str]) -> dict[str, Any]:
    """Fields that the entry does not name stay out, as they do there; without any, all are in."""
    fields = ALPACA_FIELDS | {name: name for name in OWN_FIELDS} | {"kto_tag": "label"}
    named = {field: columns.get(name, "") for name, field in fields.items()}
    return {"columns": named if columns else {}}


def _turns(formatting: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    columns, tags = entry.get("columns", {}), entry.get("tags", {})
    named = {name: columns[name] for name in OWN_FIELDS if name in columns}
    messages = MESSAGES_FIELD[formatting]
    named[messages] = columns.get("messages", messages)
    named |= {"label": columns["kto_tag"]} if "kto_tag" in columns else {}
    named |= {key: tags[f"{key}_tag"] for key in ("role", "content") if f"{key}_tag" in tags}
    roles = {tags[tag]: role for tag, role in ROLE_TAGS.items() if tag in tags}
    return {"columns": named, "roles": roles}


def _own_settings(source: SourceConfig, layout: Mapping[str, Any]) -> dict[str, Any]:
    """What the profile says itself goes first."""
    named = {} if source.format == "auto" else {"format": source.format}
    columns = {**layout["columns"], **source.columns}
    return {**named, "columns": columns, "roles": {**layout.get("roles", {}), **source.roles}}
