"""Each side is really killed: owner, guard, command, and one that ignores SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from tuneline import processes
from tuneline.processes import ProcessId, reap, registered, run, this_process

PYTHON = sys.executable
DEADLINE_S = 60.0
"""Within this time nothing may be left."""
FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path
folder, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "ignores":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if kind == "follows":
    from tuneline.processes import follow_parent
    follow_parent()
if len(sys.argv) == 3:  # as torch's agent does it: children in sessions of their own
    for name in ("one", "two"):
        command = [sys.executable, __file__, str(folder), kind, name]
        subprocess.Popen(command, start_new_session=True)
partial = folder / f"{os.getpid()}.partial"
partial.touch()
partial.rename(folder / f"{os.getpid()}.pid")
time.sleep(600)
"""
OWNER = """
import sys
from pathlib import Path
from tuneline.processes import run
folder = Path(sys.argv[1])
command, grace_s = [sys.executable, *sys.argv[3:]], float(sys.argv[2])
run(command, folder / "registry", folder / "output", grace_s=grace_s)
"""


@pytest.fixture
def family(tmp_path: Path) -> list[str]:
    """A command with two children; each writes `<pid>.pid`."""
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    (tmp_path / "pids").mkdir()
    return [str(script), str(tmp_path / "pids")]


def start_owner(
    tmp_path: Path, command: list[str], grace_s: float = 1
) -> "subprocess.Popen[bytes]":
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    return subprocess.Popen([PYTHON, str(script), str(tmp_path), str(grace_s), *command])


def pids(tmp_path: Path) -> list[int]:
    return [int(path.stem) for path in (tmp_path / "pids").glob("*.pid")]


def alive(found: list[int]) -> list[int]:
    return [p for p in found if psutil.pid_exists(p) and psutil.Process(p).status() != "zombie"]


def wait_until(holds: Callable[[], bool], what: str) -> float:
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < DEADLINE_S, what
        time.sleep(0.05)
    return time.monotonic() - started


def guard_of(owner: "subprocess.Popen[bytes]") -> psutil.Process:
    return psutil.Process(owner.pid).children()[0]


@pytest.fixture
def start(tmp_path: Path, family: list[str]):
    """Start an owner whose guard runs a family of three of a kind."""
    owners = []

    def started(kind: str, grace_s: float = 1) -> "subprocess.Popen[bytes]":
        owners.append(start_owner(tmp_path, [*family, kind], grace_s))
        wait_until(lambda: len(pids(tmp_path)) == 3, "the family did not start")
        return owners[0]

    yield started
    for owner in owners:
        owner.kill()
        owner.wait()
    for pid in alive(pids(tmp_path)):
        os.kill(pid, signal.SIGKILL)


def test_the_exit_code_is_that_of_the_command_and_its_output_is_kept(tmp_path: Path):
    ticks: list[int] = []
    code = run(
        [PYTHON, "-c", "print('said'); raise SystemExit(7)"],
        tmp_path / "registry",
        tmp_path / "output",
        lambda: ticks.append(1),
    )
    assert code == 7
    assert (tmp_path / "output").read_text() == "said\n"
    assert ticks
    assert not list((tmp_path / "registry").iterdir())


def test_a_command_that_a_signal_ends_has_a_negative_exit_code(tmp_path: Path):
    suicide = "import os; os.kill(os.getpid(), 9)"
    assert run([PYTHON, "-c", suicide], tmp_path / "registry", tmp_path / "output") == -9


def test_what_the_tick_raises_ends_the_command_and_is_raised(tmp_path: Path, family: list[str]):
    def cancel() -> None:
        if len(pids(tmp_path)) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([PYTHON, *family, "ends"], tmp_path / "registry", tmp_path / "output", cancel)
    assert not alive(pids(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_an_owner_that_is_killed(tmp_path: Path, start, number: int):
    owner = start("ends")
    everyone = [*pids(tmp_path), guard_of(owner).pid]
    owner.send_signal(number)
    owner.wait()
    assert wait_until(lambda: not alive(everyone), "something is left") < 10


def test_nothing_outlives_a_guard_that_is_killed(tmp_path: Path, start):
    owner = start("follows")
    guard_of(owner).kill()
    wait_until(lambda: not alive(pids(tmp_path)), "something is left")
    assert owner.wait(DEADLINE_S) == 0


def test_the_children_go_when_their_command_is_killed(tmp_path: Path, start):
    owner = start("ends")
    guard_of(owner).children()[0].kill()
    wait_until(lambda: not alive(pids(tmp_path)), "children are left")
    assert owner.wait(DEADLINE_S) == 0


def test_a_family_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path, start):
    owner = start("ignores", grace_s=1)
    owner.kill()
    owner.wait()
    seconds = wait_until(lambda: not alive(pids(tmp_path)), "it outlived the grace")
    assert 0.9 < seconds < 10


def test_a_command_is_given_the_grace_to_write_what_it_has(tmp_path: Path):
    script = (
        "import signal, sys, time\nfrom pathlib import Path\n"
        "def save(*_):\n    time.sleep(1)\n    Path(sys.argv[1]).write_text('saved')\n"
        "    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, save)\nPath(sys.argv[1]).touch()\ntime.sleep(600)\n"
    )
    saved = tmp_path / "saved"
    owner = start_owner(tmp_path, ["-c", script, str(saved)], grace_s=10)
    wait_until(saved.exists, "the command did not start")
    owner.kill()
    owner.wait()
    wait_until(lambda: saved.read_text() == "saved", "nothing was saved")


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([PYTHON, "-c", "import time; time.sleep(600)"])


def write_entry(registry: Path, process: ProcessId, owner: ProcessId, host: str) -> Path:
    registry.mkdir(exist_ok=True)
    path = registry / f"{host}-{process.pid}.json"
    path.write_text(json.dumps({"process": asdict(process), "owner": asdict(owner)}))
    return path


@pytest.fixture
def left_over():
    process = sleeper()
    yield process
    process.kill()
    process.wait()


def id_of(process: "subprocess.Popen[bytes]") -> ProcessId:
    return ProcessId(process.pid, psutil.Process(process.pid).create_time())


GONE = ProcessId(os.getpid(), 1.0)
"""This test's pid, as an earlier process would have had it."""


def test_the_reaper_kills_what_outlived_its_owner(tmp_path: Path, left_over):
    path = write_entry(tmp_path, id_of(left_over), GONE, socket.gethostname())
    assert reap(tmp_path, patience_s=0) == [left_over.pid]
    assert not alive([left_over.pid])
    assert not path.exists()


def test_the_reaper_waits_for_one_that_is_about_to_end(tmp_path: Path):
    process = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(1)"])
    write_entry(tmp_path, id_of(process), GONE, socket.gethostname())
    assert reap(tmp_path, patience_s=20) == []
    assert process.wait() == 0


def test_the_reaper_leaves_alone_what_has_an_owner_or_runs_elsewhere(tmp_path: Path, left_over):
    here, other = socket.gethostname(), "another-host"
    kept = [write_entry(tmp_path, id_of(left_over), this_process(), here)]
    kept.append(write_entry(tmp_path, id_of(left_over), GONE, other))
    assert reap(tmp_path, patience_s=0) == []
    assert left_over.poll() is None
    assert all(path.exists() for path in kept)


def test_a_pid_that_was_given_out_again_is_never_killed(tmp_path: Path, left_over):
    earlier = replace(id_of(left_over), started=id_of(left_over).started - 3600)
    path = write_entry(tmp_path, earlier, GONE, socket.gethostname())
    assert reap(tmp_path, patience_s=0) == []
    assert left_over.poll() is None
    assert not path.exists()


def test_a_registered_process_has_a_file_until_it_ends(tmp_path: Path):
    with registered(tmp_path, this_process()):
        assert [path.name for path in tmp_path.iterdir()] == [
            f"{socket.gethostname()}-{os.getpid()}.json"
        ]
        assert reap(tmp_path, patience_s=0) == []
    assert not list(tmp_path.iterdir())


def test_a_process_that_follows_its_parent_dies_with_it(tmp_path: Path):
    follower = (
        "import sys, time; from pathlib import Path; from tuneline.processes import follow_parent\n"
        "follow_parent(); import os; Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    starter = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]])\ntime.sleep(600)"
    )
    file = tmp_path / "pid"
    env = os.environ | {"PYTHONPATH": str(Path(processes.__file__).parent.parent)}
    parent = subprocess.Popen([PYTHON, "-c", starter, follower, str(file)], env=env)
    wait_until(lambda: file.exists() and bool(file.read_text()), "the follower did not start")
    pid = int(file.read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive([pid]), "the follower outlived its parent")
