"""Stage outputs are built once and never half visible."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuneline import store as store_module
from tuneline.store import Store, code_version


def test_an_output_is_built_once_and_then_reused(tmp_path: Path):
    store, built = Store(tmp_path), []

    def write(out: Path) -> None:
        built.append(out)
        (out / "a.txt").write_text("a")

    first = store.build("s", {"x": 1}, write)
    again = store.build("s", {"x": 1}, write)
    assert len(built) == 1
    assert (first.is_reused, again.is_reused) == (False, True)
    assert again.digest == first.digest
    assert store.build("s", {"x": 2}, write).key != first.key


def test_a_build_that_fails_is_never_visible(tmp_path: Path):
    store = Store(tmp_path)

    def fail(out: Path) -> None:
        (out / "half.txt").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.build("s", {}, fail)
    output = store.build("s", {}, lambda out: (out / "a.txt").touch())
    assert sorted(path.name for path in output.path.iterdir()) == ["a.txt", "manifest.json"]


@pytest.mark.parametrize("keeps_partial", [False, True])
def test_a_build_killed_with_sigkill_leaves_nothing_visible_and_no_lock(
    tmp_path: Path, keeps_partial: bool
):
    code = (
        "import sys, time, pathlib; from tuneline.store import Store\n"
        "def write(out): (out / 'part.txt').touch(); time.sleep(60)\n"
        "Store(pathlib.Path(sys.argv[1])).build('s', {}, write)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while not list(tmp_path.glob("work/s-*/part.txt")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("store/**/manifest.json"))
    seen: list[bool] = []

    def write(out: Path) -> None:
        seen.append((out / "part.txt").exists())

    Store(tmp_path).build("s", {}, write, keeps_partial=keeps_partial)
    assert seen == [keeps_partial]


def test_the_code_version_is_blind_to_comments_and_sees_changed_code(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "PACKAGE", tmp_path)
    module = tmp_path / "m.py"
    versions = []
    for text in ("x = 1\n", "x  =  1  # why\n", "x = 2\n"):
        module.write_text(text)
        versions.append(code_version("m"))
    assert versions[0] == versions[1] != versions[2]
