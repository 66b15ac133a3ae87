"""New files call for a retraining once they are whole."""

import os
import time
from pathlib import Path

import pytest
import yaml

from tasks import signals
from tuneline.profile import Profile, load_profile

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path / "workspace"))
    folder = tmp_path / "inbox"
    folder.mkdir()
    drop(folder / "a.jsonl", '{"instruction": "Is it?", "output": "Yes"}', age_s=3600)
    return folder


def drop(path: Path, text: str, age_s: float) -> None:
    path.write_text(text)
    then = time.time() - age_s
    os.utime(path, (then, then))


@pytest.fixture
def profile(inbox: Path, tmp_path: Path) -> Profile:
    settings = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())
    settings["domain"] = "inbox"
    settings["data"] = {"sources": [{"name": "rows", "path": str(inbox), "license": "CC0-1.0"}]}
    path = tmp_path / "inbox.yaml"
    path.write_text(yaml.safe_dump(settings))
    return load_profile(str(path))


def looked(profile: Profile) -> bool:
    seen = signals.look(profile)
    signals.remember(profile.domain, seen)
    return seen.has_news


def test_the_first_look_takes_note_and_the_second_finds_nothing_new(profile: Profile):
    assert [looked(profile), looked(profile)] == [False, False]


def test_a_new_file_is_news_once(profile: Profile, inbox: Path):
    looked(profile)
    drop(inbox / "b.jsonl", '{"instruction": "Is that?", "output": "No"}', age_s=3600)
    assert [looked(profile), looked(profile)] == [True, False]


def test_a_file_that_is_still_written_to_is_left_for_the_next_look(profile: Profile, inbox: Path):
    looked(profile)
    drop(inbox / "b.jsonl", '{"instruction": "Is th', age_s=0)
    assert looked(profile) is False
    drop(inbox / "b.jsonl", '{"instruction": "Is that?", "output": "No"}', age_s=3600)
    assert looked(profile) is True
