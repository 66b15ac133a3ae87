"""Only a checkpoint that was written to its end is ever resumed from."""

import logging
from pathlib import Path

import pytest

from tuneline.training.checkpoints import last_complete_checkpoint, mark_complete


def checkpoint(folder: Path, step: int, *, complete: bool) -> Path:
    """A checkpoint with one file."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "optimizer.pt").touch()
    if complete:
        mark_complete(path)
    return path


def test_no_folder_and_an_empty_folder_hold_no_checkpoint(tmp_path: Path):
    assert last_complete_checkpoint(tmp_path / "nowhere") is None
    assert last_complete_checkpoint(tmp_path) is None


def test_the_newest_is_the_one_with_the_highest_step_and_not_the_last_by_name(tmp_path: Path):
    for step in (2, 100, 12):
        checkpoint(tmp_path, step, complete=True)
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-100"


def test_a_half_written_checkpoint_is_removed_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    whole = checkpoint(tmp_path, 2, complete=True)
    half = checkpoint(tmp_path, 4, complete=False)
    with caplog.at_level(logging.WARNING):
        assert last_complete_checkpoint(tmp_path) == whole
    assert not half.exists()
    assert "checkpoint-4 was not written to its end; removed" in caplog.text


def test_training_begins_again_where_only_a_half_is_left(tmp_path: Path):
    half = checkpoint(tmp_path, 2, complete=False)
    assert last_complete_checkpoint(tmp_path) is None
    assert not half.exists()


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path):
    checkpoint(tmp_path, 2, complete=True)
    (tmp_path / "elapsed_s.json").write_text("1.0")
    last_complete_checkpoint(tmp_path)
    assert (tmp_path / "elapsed_s.json").exists()
