"""Whether base model and data may be used: what profile, README and licence files say.

A README that allows research only beats an Apache LICENSE file beside it: the file is often that of
the code, and the README is what the authors wrote about the weights.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from tuneline.model_card import GGUF_LICENSE, LICENSE_PREFIXES
from tuneline.preflight.report import Check

TEXTS: Mapping[str, str] = {
    r"Apache License\s+Version 2\.0": "apache-2.0",
    r"Attribution-NonCommercial-ShareAlike 4\.0": "cc-by-nc-sa-4.0",
    r"Attribution-NonCommercial-NoDerivatives 4\.0": "cc-by-nc-nd-4.0",
    r"Attribution-NonCommercial 4\.0": "cc-by-nc-4.0",
    r"Attribution-ShareAlike 4\.0": "cc-by-sa-4.0",
    r"Attribution 4\.0 International": "cc-by-4.0",
    r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3": "agpl-3.0",
    r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3": "lgpl-3.0",
    r"GNU GENERAL PUBLIC LICENSE\s+Version 3": "gpl-3.0",
    r"Redistribution and use in source and binary forms": "bsd-3-clause",
    r"Permission is hereby granted, free of charge": "mit",
    r"LLAMA 2 COMMUNITY LICENSE": "llama2",
    r"LLAMA 3(\.\d)? COMMUNITY LICENSE": "llama3",
    r"Gemma Terms of Use": "gemma",
    r"Qwen RESEARCH LICENSE": "qwen-research",
}
"""Words near the beginning of a licence -> its name; the first that fits."""
HEAD_CHARS = 3000
RESTRICTED_NAME = re.compile(r"(^|-)(nc|research|noncommercial|non-commercial)(-|$)")
RESTRICTED_PROSE = re.compile(
    r"non-?commercial|research(?: purposes| use)?,? only|only (?:for|in) (?:\w+ )?research|"
    r"research (?:and|or) educational (?:use|purposes)|not? (?:be used )?for commercial|"
    r"prohibit\w* commercial|仅(?:供|限|可)?(?:用于)?(?:学术)?研究|非商业|"
    r"(?:禁止|不得|不可|不能)\S{0,6}商",
    re.IGNORECASE,
)
PERMITTING_PROSE = re.compile(
    r"(?<!non-)(?<!non)commercial (?:and|or|as well as) (?:non-?commercial|research)|"
    r"(?:research|non-?commercial) (?:and|or|as well as) commercial|non-?commercial entit",
    re.IGNORECASE,
)


class Evidence(NamedTuple):
    """What one place says."""

    place: str
    license: str


class Licenses(NamedTuple):
    """What a profile says."""

    base_model: str
    sources: Mapping[str, str]
    """Source of data -> its licence."""
    allowed: Sequence[str] | None
    """Licences that may be used; None: all, and they are only reported."""


def license_checks(licenses: Licenses, card: Path) -> list[Check]:
    """Check base model and data.

    Args:
        licenses: As the profile has them.
        card: Folder with the base model's README and licence files.
    """
    return [_base_check(licenses, card), _data_check(licenses)]


def normalized(name: str) -> str:
    """`Apache 2.0` and `apache-2.0` are one licence."""
    return re.sub(r"[\s_]+", "-", name.strip().lower()).removesuffix("-license")


def is_restricted(name: str) -> bool:
    """Whether a licence by its name allows no commercial use."""
    return RESTRICTED_NAME.search(normalized(name)) is not None


def readme_evidence(folder: Path) -> list[Evidence]:
    """What the README's front matter and a GGUF's metadata say."""
    found = [Evidence("README.md", name) for name in _front_matter(folder / "README.md")]
    metadata = folder / GGUF_LICENSE
    if metadata.is_file():
        fields: dict[str, str] = json.loads(metadata.read_text())
        found += [
            Evidence(f"GGUF {key}", name) for key, name in fields.items() if "link" not in key
        ]
    return found


def file_evidence(folder: Path) -> list[Evidence]:
    """Licences recognised in files such as LICENSE."""
    files = [f for f in sorted(folder.iterdir()) if f.name.lower().startswith(LICENSE_PREFIXES)]
    named = ((f.name, _recognised(f.read_text(encoding="utf-8", errors="replace"))) for f in files)
    return [Evidence(place, name) for place, name in named if name]


def restricting_sentence(folder: Path) -> str | None:
    """The README's first sentence that allows research or non-commercial use only."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for sentence in re.split(r"(?<=[.。!！])\s+|\n+|(?<=。)", text):
        if RESTRICTED_PROSE.search(sentence) and not PERMITTING_PROSE.search(sentence):
            return " ".join(sentence.split())[:160]
    return None


def _base_check(licenses: Licenses, card: Path) -> Check:
    stated = [Evidence("profile", licenses.base_model), *readme_evidence(card)]
    said = ", ".join(f"{e.license} ({e.place})" for e in [*stated, *file_evidence(card)])
    refused = [e for e in stated if not _is_allowed(e.license, licenses.allowed)]
    name = "licence of the base model"
    if refused:
        places = ", ".join(f"{e.license} by {e.place}" for e in refused)
        return Check(name, "error", f"{places} is not among {_allowed(licenses)}; {_WAY_OUT}")
    is_known = any(_covers(e.license, licenses.allowed) for e in stated if is_restricted(e.license))
    if not is_known and (problem := _restriction(stated, card)):
        return Check(name, "warning", f"{said}; {problem}")
    if len({normalized(e.license) for e in stated}) > 1:
        return Check(name, "warning", f"{said}: they differ; set base_model.license to what holds")
    if licenses.base_model == "unknown":
        return Check(
            name, "warning", "nothing says it; read the model's card and set base_model.license"
        )
    return Check(name, "ok", f"{said}; {_allowed(licenses)}")


def _restriction(stated: Sequence[Evidence], card: Path) -> str | None:
    """Why the model may be for research only, whatever a LICENSE file says."""
    for evidence in stated:
        if is_restricted(evidence.license):
            return f"{evidence.place} allows no commercial use, and that beats a LICENSE file"
    if sentence := restricting_sentence(card):
        return (
            f'README.md says "{sentence}", and that beats a LICENSE file; '
            "ask the owner, or use another base model"
        )
    return None


def _data_check(licenses: Licenses) -> Check:
    name = "licence of the data"
    said = ", ".join(f"{source} {text}" for source, text in licenses.sources.items())
    refused = {s: t for s, t in licenses.sources.items() if not _is_allowed(t, licenses.allowed)}
    if refused:
        places = ", ".join(f"{text} of {source}" for source, text in refused.items())
        return Check(name, "error", f"{places} is not among {_allowed(licenses)}; {_WAY_OUT}")
    restricted = [s for s, t in licenses.sources.items() if is_restricted(t)]
    if restricted and licenses.allowed is None:
        names = ", ".join(restricted)
        return Check(name, "warning", f"{said}; {names} may not be used commercially")
    return Check(name, "ok", f"{said}; {_allowed(licenses)}")


_WAY_OUT = "use another, or add it to allowed_licenses"


def _is_allowed(name: str, allowed: Sequence[str] | None) -> bool:
    return allowed is None or _covers(name, allowed)


def _covers(name: str, allowed: Sequence[str] | None) -> bool:
    return normalized(name) in {normalized(a) for a in allowed or ()}


def _allowed(licenses: Licenses) -> str:
    if licenses.allowed is None:
        return "allowed_licenses is not set, so they are only reported"
    return f"allowed_licenses ({', '.join(licenses.allowed)})"


def _front_matter(readme: Path) -> Iterator[str]:
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    found = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    try:
        settings = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return
    if not isinstance(settings, dict):
        return
    names = settings.get("license_name") or settings.get("license") or []
    yield from map(str, names if isinstance(names, list) else [names])


def _recognised(text: str) -> str | None:
    head = text[:HEAD_CHARS]
    return next((name for words, name in TEXTS.items() if re.search(words, head, re.I)), None)
