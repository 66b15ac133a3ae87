"""Exported folders are whole, named by content, and say what they hold."""

import json
import subprocess

import pytest

from tuneline.bundle import write_bundle
from tuneline.errors import RegistryError


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "sub" / "config.json").write_text("{}")
    (folder / "manifest.json").write_text("of a stage")
    return folder


def test_the_name_follows_the_content(source, tmp_path):
    first = write_bundle(tmp_path / "out", "v1", source, {"release": "v1"})
    assert write_bundle(tmp_path / "out", "v1", source, {"release": "v1"}) == first
    (source / "model.safetensors").write_bytes(b"WEIGHTS")
    second = write_bundle(tmp_path / "out", "v1", source, {"release": "v1"})
    assert second != first
    assert {f.name for f in (tmp_path / "out").iterdir()} == {first.name, second.name}


def test_coreutils_verify_every_file(source, tmp_path):
    folder = write_bundle(tmp_path / "out", "v1", source, {"release": "v1"})
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split(": OK\n")) - {""} == {
        "export.json",
        "model.safetensors",
        "sub/config.json",
    }
    about = json.loads((folder / "export.json").read_text())
    assert about["release"] == "v1"
    assert folder.name == f"v1-{about['sha256'][:12]}"


def test_an_export_that_was_changed_is_not_taken_for_whole(source, tmp_path):
    folder = write_bundle(tmp_path / "out", "v1", source, {})
    (folder / "model.safetensors").write_bytes(b"other")
    with pytest.raises(RegistryError, match=r"model\.safetensors differs"):
        write_bundle(tmp_path / "out", "v1", source, {})


def test_an_export_that_ends_half_way_leaves_nothing(source, tmp_path, monkeypatch):
    def full_disk(folder):
        raise OSError("no space left on device")

    monkeypatch.setattr("tuneline.bundle._flush", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_bundle(tmp_path / "out", "v1", source, {})
    assert list((tmp_path / "out").iterdir()) == []
