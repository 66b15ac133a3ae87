"""A full disk, in a small file system of its own: one sentence, and nothing half-written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuneline.errors import StoreError
from tuneline.store import Store

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "flows.cli", "retrain", "smoke"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = mount("size=3m", folder)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(options: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


def test_an_output_that_does_not_fit_is_one_sentence_and_leaves_its_room_to_others(small: Path):
    store, too_much = Store(small), b"0" * 4 * 2**20
    kept = store.build("scores", {"x": 1}, lambda out: _fill(out / "a", b"fits"))
    with pytest.raises(StoreError, match=r"disk of .*small is full .* so train could not be wr"):
        store.build("train", {"x": 1}, lambda out: _fill(out / "a", too_much))
    assert [path for path in small.rglob("*") if path.is_file() and "train" in path.parts] == []
    assert store.find("train", kept.key) is None
    assert store.find("scores", kept.key) is not None
    output = store.build("train", {"x": 1}, lambda out: _fill(out / "a", b"fits"))
    assert not output.is_reused


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_retraining_on_a_full_disk_is_one_sentence_and_goes_on_when_there_is_room(small: Path):
    env = os.environ | {"TUNELINE_WORKSPACE": str(small)}
    full = subprocess.run(COMMAND, cwd=ROOT, env=env, capture_output=True, text=True)
    errors = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert full.returncode == 1
    assert len(errors) == 1, full.stderr
    assert f"the disk of {small} is full" in errors[0]
    assert "Traceback" not in full.stderr
    assert mount("remount,size=512m", small).returncode == 0
    again = subprocess.run(COMMAND, cwd=ROOT, env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "Verdict: promote" in again.stdout


def _fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)
