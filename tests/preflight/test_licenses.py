"""Licences: what README, files and profile say, and which of them wins."""

import json
from pathlib import Path

import pytest

from tuneline.preflight.licenses import (
    Licenses,
    is_restricted,
    license_checks,
    restricting_sentence,
)
from tuneline.preflight.report import Check

APACHE = "                                 Apache License\n                           Version 2.0\n"
PERMISSIVE = ("Apache-2.0", "MIT", "CC-BY-4.0")


def check(folder: Path, base: str, allowed=PERMISSIVE, sources=None) -> tuple[Check, Check]:
    """The checks of base model and data."""
    base_check, data = license_checks(Licenses(base, sources or {"rows": "MIT"}, allowed), folder)
    return base_check, data


def write(folder: Path, readme: str, license_file: str = APACHE) -> Path:
    (folder / "README.md").write_text(readme, encoding="utf-8")
    (folder / "LICENSE").write_text(license_file, encoding="utf-8")
    return folder


def test_equal_licences_that_are_allowed_are_fine(tmp_path: Path):
    write(tmp_path, "---\nlicense: apache-2.0\n---\n# Model\nFor commercial and research use.\n")
    base, data = check(tmp_path, "Apache 2.0")
    assert (base.level, data.level) == ("ok", "ok")
    assert base.sentence.startswith(
        "Apache 2.0 (profile), apache-2.0 (README.md), apache-2.0 (LICENSE)"
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "This model is for research purposes only.",
        "The weights are released for non-commercial use.",
        "Intended for academic use; not for commercial use.",
        "本模型仅供学术研究使用。",
        "未经许可，禁止商用。",
    ],
)
def test_a_readme_for_research_only_beats_an_apache_file(tmp_path: Path, sentence: str):
    write(tmp_path, f"---\nlicense: apache-2.0\n---\n# Model\nA good model. {sentence}\n")
    base, _ = check(tmp_path, "Apache-2.0")
    assert base.level == "warning"
    assert sentence in base.sentence
    assert "beats a LICENSE file" in base.sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "Free for commercial and non-commercial use.",
        "You may use it for research and commercial purposes.",
        "It was trained on research papers only in English.",
        "模型可用于商业用途。",
    ],
)
def test_a_readme_that_allows_commercial_use_is_no_restriction(tmp_path: Path, sentence: str):
    write(tmp_path, f"# Model\n{sentence}\n")
    assert restricting_sentence(tmp_path) is None


def test_a_restricted_licence_in_the_front_matter_stops_where_it_is_not_allowed(tmp_path: Path):
    write(tmp_path, "---\nlicense: cc-by-nc-4.0\n---\n")
    base, _ = check(tmp_path, "Apache-2.0")
    assert base.level == "error"
    assert base.sentence.startswith("cc-by-nc-4.0 by README.md is not among allowed_licenses (Apa")
    base, _ = check(tmp_path, "Apache-2.0", allowed=None)
    assert (base.level, "README.md allows no commercial use" in base.sentence) == ("warning", True)
    base, _ = check(tmp_path, "cc-by-nc-4.0", allowed=("CC-BY-NC-4.0",))
    assert base.level == "ok"


def test_a_licence_of_its_own_is_known_by_the_name_of_the_card(tmp_path: Path):
    write(tmp_path, "---\nlicense: other\nlicense_name: qwen-research\n---\n")
    base, _ = check(tmp_path, "qwen-research", allowed=None)
    assert base.level == "warning"
    assert "qwen-research (README.md)" in base.sentence


def test_places_that_differ_are_a_warning(tmp_path: Path):
    write(tmp_path, "---\nlicense: mit\n---\n")
    base, _ = check(tmp_path, "Apache-2.0", allowed=None)
    assert (base.level, "they differ" in base.sentence) == ("warning", True)


def test_the_licence_inside_a_gguf_file_counts(tmp_path: Path):
    (tmp_path / "gguf_license.json").write_text(json.dumps({"general.license": "cc-by-nc-4.0"}))
    base, _ = check(tmp_path, "Apache-2.0")
    assert "cc-by-nc-4.0 by GGUF general.license is not among" in base.sentence


def test_an_unknown_licence_is_not_allowed_and_where_nothing_is_asked_a_warning(tmp_path: Path):
    assert check(tmp_path, "unknown")[0].level == "error"
    base, _ = check(tmp_path, "unknown", allowed=None)
    assert base == Check(
        "licence of the base model",
        "warning",
        "nothing says it; read the model's card and set base_model.license",
    )


def test_data_is_held_to_the_same_list(tmp_path: Path):
    sources = {"law": "CC-BY-4.0", "chat": "CC-BY-NC-4.0"}
    _, data = check(tmp_path, "MIT", sources=sources)
    assert data.level == "error"
    assert data.sentence == (
        "CC-BY-NC-4.0 of chat is not among allowed_licenses (Apache-2.0, MIT, CC-BY-4.0); "
        "use another, or add it to allowed_licenses"
    )
    _, data = check(tmp_path, "MIT", allowed=None, sources=sources)
    assert (data.level, "chat may not be used commercially" in data.sentence) == ("warning", True)
    _, data = check(tmp_path, "MIT", allowed=None)
    assert (data.level, "only reported" in data.sentence) == ("ok", True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cc-by-nc-4.0", True), ("CC BY-NC-SA 4.0", True), ("qwen-research", True),
        ("Apache-2.0", False), ("CC-BY-SA-4.0", False), ("ncsa", False),
    ],
)  # fmt: skip
def test_names_tell_whether_use_is_restricted(name: str, expected: bool):
    assert is_restricted(name) is expected


def test_a_readme_with_broken_front_matter_is_read_on(tmp_path: Path):
    write(tmp_path, "---\nlicense: [mit\n---\nFor research only.\n")
    assert check(tmp_path, "MIT")[0].level == "warning"
