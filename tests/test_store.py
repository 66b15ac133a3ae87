"""Stage outputs: built once, whole or not at all, whoever dies or comes at the same time."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tuneline import store as store_module
from tuneline.store import (
    MANIFEST,
    Store,
    code_version,
    digest_of,
    file_digests,
    is_disk_full,
)

BUILD = """
import sys, time
from pathlib import Path
from tuneline.store import Store
root, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def write(out):
    (out / "half").write_text("half")
    with log.open("a") as file:
        file.write("built\\n")
    time.sleep(seconds)
    (out / "whole").write_text("whole")
output = Store(root).build("train", {"x": 1}, write)
print(output.digest, output.is_reused)
"""


def builder(root: Path, log: Path, seconds: float) -> "subprocess.Popen[str]":
    """A process that builds the key `train {x: 1}` and takes its time."""
    command = [sys.executable, "-c", BUILD, str(root), str(log), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def killed(tmp_path: Path) -> Store:
    """A store whose build of `train {x: 1}` was killed by SIGKILL halfway."""
    log = tmp_path / "log"
    process = builder(tmp_path, log, 60)
    deadline = time.monotonic() + 30
    while not log.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()
    return Store(tmp_path)


def fill(**files: str):
    """A `write` that fills a folder with the given files."""

    def write(out: Path) -> None:
        for name, text in files.items():
            path = out / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_a_stage_is_built_once_and_then_reused(tmp_path: Path):
    calls: list[Path] = []

    def write(out: Path) -> None:
        calls.append(out)
        fill(a="1")(out)

    first = Store(tmp_path).build("train", {"x": 1}, write)
    second = Store(tmp_path).build("train", {"x": 1}, write)
    assert (first.is_reused, second.is_reused, len(calls)) == (False, True, 1)
    assert (second.path, second.digest, second.key) == (first.path, first.digest, first.key)
    assert (first.path / "a").read_text() == "1"


def test_other_inputs_or_another_stage_are_another_output(tmp_path: Path):
    store = Store(tmp_path)
    outputs = [
        store.build(stage, inputs, fill(a="1"))
        for stage, inputs in (("train", {"x": 1}), ("train", {"x": 2}), ("merge", {"x": 1}))
    ]
    assert len({output.key for output in outputs}) == 3
    assert not any(output.is_reused for output in outputs)


def test_the_manifest_tells_inputs_and_every_file(tmp_path: Path):
    output = Store(tmp_path).build("train", {"x": "合同"}, fill(a="1", sub__b="2"))
    manifest = json.loads((output.path / MANIFEST).read_text())
    assert manifest["inputs"] == {"x": "合同"}
    assert manifest["files"] == file_digests(output.path)
    assert list(manifest["files"]) == ["a", "sub/b"]
    # SHA-256 of b"1", as sha256sum prints it.
    one = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert manifest["files"]["a"] == one


def test_a_failing_build_is_never_visible_and_can_be_built_again(tmp_path: Path):
    store = Store(tmp_path)

    def fail(out: Path) -> None:
        (out / "half").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        store.build("train", {"x": 1}, fail)
    assert not list((tmp_path / "store").rglob("*"))
    output = store.build("train", {"x": 1}, fill(whole="1"))
    assert set(file_digests(output.path)) == {"whole"}


def test_a_killed_build_is_never_visible_and_frees_its_lock(killed: Store):
    assert not list((killed.root / "store").rglob("*"))
    assert [path.name for path in killed.root.rglob("half")] == ["half"]
    output = killed.build("train", {"x": 1}, fill(whole="1"))
    assert not output.is_reused
    assert set(file_digests(output.path)) == {"whole"}


def test_keeps_partial_goes_on_where_a_killed_build_was(killed: Store):
    seen: list[str] = []

    def go_on(out: Path) -> None:
        seen.extend(path.name for path in out.iterdir())
        (out / "whole").write_text("1")

    output = killed.build("train", {"x": 1}, go_on, keeps_partial=True)
    assert seen == ["half"]
    assert set(file_digests(output.path)) == {"half", "whole"}


def test_two_processes_that_want_one_output_build_it_once(tmp_path: Path):
    log = tmp_path / "log"
    processes = [builder(tmp_path, log, 0.5) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0].split() for process in processes]
    assert log.read_text() == "built\n"
    assert len({digest for digest, _ in answers}) == 1
    assert sorted(is_reused for _, is_reused in answers) == ["False", "True"]


def test_the_digest_covers_names_and_contents_and_nothing_else(tmp_path: Path):
    store = Store(tmp_path)
    files = ({"a": "1"}, {"b": "1"}, {"a": "2"}, {"a": "1", "b": ""}, {"a": "1"})
    digests = [store.build("s", {"n": n}, fill(**f)).digest for n, f in enumerate(files)]
    assert digests[0] == digests[-1]
    assert len(set(digests)) == 4


def test_digest_of_is_blind_to_the_order_of_keys():
    assert digest_of({"a": 1, "b": "合"}) == digest_of({"b": "合", "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


def test_the_workspace_is_where_the_environment_says(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path / "w"))
    assert store_module.workspace() == tmp_path / "w"
    monkeypatch.delenv("TUNELINE_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    assert store_module.workspace() == tmp_path / "workspace"


@pytest.mark.parametrize("module", ["one", "package"])
def test_code_version_is_blind_to_comments_and_sees_changed_code(
    module: str, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(store_module, "PACKAGE", tmp_path)
    (tmp_path / "package").mkdir()
    files = {"one": tmp_path / "one.py", "package": tmp_path / "package" / "part.py"}

    def version(source: str) -> dict[str, str]:
        files[module].write_text(source)
        return code_version(module)

    before = version("def f(x):\n    return x + 1\n")
    assert version("# why\ndef f(x):  # this\n\n    return (x + 1)\n") == before
    assert version("def f(x):\n    return x + 2\n") != before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_file_that_torch_could_not_end_is_a_full_disk():
    with pytest.raises(RuntimeError) as error:
        torch.save({"weights": torch.zeros(100_000)}, "/dev/full")
    assert is_disk_full(error.value)
