"""On a real MLflow registry in SQLite; one database for the module, one domain per test."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from tuneline import tracking
from tuneline.errors import RegistryError, TrackingError
from tuneline.registry import Registry
from tuneline.release.event import Event
from tuneline.release.ledger import OvertakenError

ROOT = Path(__file__).parent.parent
DAY = date(2025, 4, 1)
WHO = {"actor": "ann", "reason": "a reason"}
JUDGED = {**WHO, "evidence": "digest"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNELINE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Registry(tracking.tracking_uri())


@pytest.fixture
def domain(request):
    """A domain that no other test of the module writes to."""
    return request.node.name


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text("{}")
    return folder


def register(registry, domain, adapter, candidate, **more):
    return registry.register(
        domain,
        adapter=adapter,
        candidate=candidate,
        day=DAY,
        lineage={"base_model": "tiny", "data": {"n_train": 3}},
        run_id=tracking.open_run(domain, candidate),
        description="A test.",
        actor="ann",
        **more,
    )


def register_all(registry, domain, adapter, n):
    return [register(registry, domain, adapter, f"c{i}") for i in range(1, n + 1)]


def aliases(registry, domain):
    found = registry.client.get_registered_model(domain).aliases
    return {alias: str(version) for alias, version in found.items()}


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class KilledClient:
    """An MLflow client whose process dies after so many calls."""

    def __init__(self, client, n_calls):
        self.client, self.left = client, n_calls

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(*args, **kwargs):
            if self.left == 0:
                raise Killed
            self.left -= 1
            return method(*args, **kwargs)

        return call


def kill_everywhere(registry, action):
    """Call `action(registry, n)` killed after n = 0, 1, 2, ... calls to MLflow, until it ends."""
    n_calls, is_done = 0, False
    while not is_done:
        victim = Registry(registry.uri)
        victim.client = KilledClient(victim.client, n_calls)
        try:
            action(victim, n_calls)
            is_done = True
        except Killed:
            pass
        yield n_calls
        n_calls += 1


def test_registering_twice_gives_one_version_with_its_files_and_lineage(registry, domain, adapter):
    first = register(registry, domain, adapter, "c1")
    assert register(registry, domain, adapter, "c1") == first
    assert first.release == f"v1.0-{domain}-20250401"
    [entry] = registry.client.search_model_versions(f"name = '{domain}'")
    assert entry.tags["release"] == first.release
    assert entry.tags["lineage.base_model"] == "tiny"
    files = Path(first.source.removeprefix("file://"))
    assert {file.name for file in adapter.iterdir()} < {file.name for file in files.iterdir()}
    lineage = json.loads((files / "lineage.json").read_text())
    assert lineage["data"] == {"n_train": 3}
    assert set(lineage["files"]) == {file.name for file in adapter.iterdir()}
    assert aliases(registry, domain) == {"challenger": first.number}


def test_a_plain_mlflow_client_finds_the_champion_by_its_alias(registry, domain, adapter):
    one = register(registry, domain, adapter, "c1")
    registry.promote(domain, "challenger", **JUDGED)
    entry = registry.client.get_model_version_by_alias(domain, "champion")
    assert (str(entry.version), entry.source) == (one.number, one.source)


def test_a_download_is_whole_and_fetched_once(registry, domain, adapter, tmp_path, monkeypatch):
    version = register(registry, domain, adapter, "c1")
    folder = registry.download(version, tmp_path / "downloads")
    assert (folder / "adapter_model.safetensors").read_bytes() == b"weights"
    assert (folder / "lineage.json").is_file()
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", None)
    assert registry.download(version, tmp_path / "downloads") == folder


def test_a_download_that_breaks_off_leaves_nothing(registry, domain, adapter, tmp_path):
    version = register(registry, domain, adapter, "c1")
    shutil.rmtree(version.source.removeprefix("file://"))
    with pytest.raises(RegistryError, match=r"the files of version 1 of .* are gone"):
        registry.download(version, tmp_path / "downloads")
    assert [path for path in (tmp_path / "downloads").iterdir() if path.suffix != ".lock"] == []


def test_a_candidate_without_a_version_can_be_refused(registry, domain):
    registry.refuse(domain, None, **JUDGED)
    assert [event.kind for event in registry.history(domain)] == ["refuse"]
    assert domain in registry.domains()


def test_two_promotions_are_rolled_back_one_by_one(registry, domain, adapter):
    one, two, three = register_all(registry, domain, adapter, 3)
    for version in (one, two, three):
        registry.promote(domain, version.release, **JUDGED)
    assert registry.champion(domain) == three
    registry.rollback(domain, **WHO)
    assert registry.champion(domain) == two
    assert registry.rollback(domain, **WHO).to_version == one.number
    assert registry.find(domain, "champion") == one
    assert aliases(registry, domain) == {"champion": one.number}
    with pytest.raises(RegistryError, match="no earlier champion"):
        registry.rollback(domain, **WHO)


def test_a_rollback_can_name_an_earlier_champion(registry, domain, adapter):
    one, two, three = register_all(registry, domain, adapter, 3)
    for version in (one, two, three):
        registry.promote(domain, version.number, **JUDGED)
    registry.rollback(domain, to=one.release, **WHO)
    assert registry.champion(domain) == one


def test_a_refusal_stays_in_the_history(registry, domain, adapter):
    one = register(registry, domain, adapter, "c1")
    registry.refuse(domain, "challenger", actor="ann", reason="worse", evidence="digest")
    assert registry.champion(domain) is None
    event = registry.history(domain)[-1]
    assert (event.kind, event.to_version, event.actor) == ("refuse", one.number, "ann")
    assert (event.reason, event.evidence, event.follows) == ("worse", "digest", 1)
    assert aliases(registry, domain) == {}


def test_a_repeated_call_with_one_key_is_one_event(registry, domain, adapter):
    for version in register_all(registry, domain, adapter, 2):
        registry.promote(domain, version.number, **JUDGED)
    first = registry.rollback(domain, key="night of the 3rd", **WHO)
    assert registry.rollback(domain, key="night of the 3rd", **WHO) == first


def test_concurrent_registrations_get_different_release_names(registry, domain, adapter):
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(register, registry, domain, adapter, f"c{i}") for i in range(4)]
    releases = sorted(call.result().release for call in calls)
    assert releases == [f"v1.{minor}-{domain}-20250401" for minor in range(4)]


def test_of_two_writers_that_saw_one_head_the_second_is_told_who_won(registry, domain, adapter):
    one, two = register_all(registry, domain, adapter, 2)
    head = registry.state(domain).head
    registry.promote(domain, one.number, **JUDGED)
    with pytest.raises(OvertakenError, match=f"ann was first with promote of {domain}, none -> 1"):
        registry.append(Event("promote", domain, "bob", "", "k", two.number, follows=head))
    with pytest.raises(OvertakenError, match="ann was first"):
        registry.promote(domain, two.number, expected_head=head, **JUDGED)
    assert registry.champion(domain) == one


def test_a_registration_does_not_take_a_promotion_away(registry, domain, adapter):
    one = register(registry, domain, adapter, "c1")
    head = registry.state(domain).head
    register(registry, domain, adapter, "c2")
    registry.promote(domain, one.number, expected_head=head, **JUDGED)
    assert registry.champion(domain) == one


@pytest.fixture
def server(tmp_path, monkeypatch):
    """URI of an MLflow server of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    store = f"--backend-store-uri=sqlite:///{tmp_path}/mlflow.db"
    command = f"mlflow server --workers 1 --port {port} {store} --artifacts-destination {tmp_path}"
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(uri)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(uri):
    for _ in range(120):
        try:
            return tracking.check_server(uri)
        except TrackingError:
            time.sleep(0.5)
    pytest.fail(f"no MLflow server at {uri}")


@pytest.mark.slow
def test_a_server_takes_the_same_calls(server, domain, adapter):
    registry = Registry(server)
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.release, **JUDGED)
    registry.promote(domain, two.release, **JUDGED)
    registry.rollback(domain, **WHO)
    assert registry.champion(domain) == one
    assert one.source.startswith("mlflow-artifacts:")
    assert aliases(registry, domain) == {"champion": one.number}
    assert registry.drift(domain) == []


WRITERS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from tuneline.errors import RegistryError
from tuneline.registry import Registry
uri, domain, *names = sys.argv[1:]
registry = Registry(uri)
print("ready", flush=True)
sys.stdin.readline()

def promote_often(name):
    for turn in range(4):
        try:
            event = registry.promote(domain, name, actor=name, reason="", evidence="digest")
            print(f"won {event.number}\\n", end="")
        except RegistryError as error:
            is_told = "was first" in str(error) or "champion already" in str(error)
            print(f"lost {is_told}\\n", end="")

with ThreadPoolExecutor(2) as pool:
    list(pool.map(promote_often, names))
"""


def test_promotions_from_processes_and_threads_at_once_make_one_chain(registry, domain, adapter):
    numbers = [version.number for version in register_all(registry, domain, adapter, 4)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITERS, registry.uri, domain, *names],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for names in (numbers[:2], numbers[2:])
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    told = [line.split() for w in writers for line in w.communicate()[0].splitlines()]
    state = registry.mend(domain)
    promotions = [event for event in state.events if event.kind == "promote"]
    assert len(told) == 16
    assert {word for outcome, word in told if outcome == "lost"} <= {"True"}
    won = sorted(int(word) for outcome, word in told if outcome == "won")
    assert won == [event.number for event in promotions]
    changes = [(event.from_version, event.to_version) for event in promotions]
    assert [before for before, _ in changes] == [None, *(after for _, after in changes[:-1])]
    assert aliases(registry, domain)["champion"] == changes[-1][1]
    assert registry.drift(domain) == []


def test_an_alias_and_a_release_tag_changed_by_hand_are_reported_and_mended(
    registry, domain, adapter
):
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, two.number, **JUDGED)
    registry.client.set_registered_model_alias(domain, "champion", one.number)
    registry.client.set_model_version_tag(domain, one.number, "release", "v9.9-mine-20250401")
    assert registry.drift(domain) == [
        f"tag release of version 1 is v9.9-mine-20250401, not {one.release}",
        "alias champion is on version 1, not on 2",
    ]
    assert registry.find(domain, "champion") == two
    assert registry.champion(domain) == two
    assert registry.drift(domain) == []


def test_a_registration_killed_after_any_call_is_one_version(registry, domain, adapter):
    def register_one(victim, n_calls):
        register(victim, domain, adapter, f"c{n_calls}")

    for n_calls in kill_everywhere(registry, register_one):
        assert register(registry, domain, adapter, f"c{n_calls}").release.startswith(
            f"v1.{n_calls}-"
        )
        assert registry.drift(domain) == []
    assert n_calls > 10
    entries = registry.client.search_model_versions(f"name = '{domain}'")
    assert sorted(int(entry.tags["candidate"][1:]) for entry in entries) == list(range(n_calls + 1))


def test_a_rollback_killed_after_any_call_happened_or_did_not(registry, domain, adapter):
    for version in register_all(registry, domain, adapter, 2):
        registry.promote(domain, version.number, **JUDGED)

    def roll_back(victim, n_calls):
        victim.rollback(domain, key="one night", **WHO)

    outcomes = []
    for _ in kill_everywhere(registry, roll_back):
        champion = registry.champion(domain)
        is_rolled_back = registry.history(domain)[-1].kind == "rollback"
        assert champion.number == ("1" if is_rolled_back else "2")
        assert aliases(registry, domain) == {"champion": champion.number}
        outcomes.append(is_rolled_back)
    assert outcomes == sorted(outcomes)
    assert outcomes[0] is False
    assert sum(event.kind == "rollback" for event in registry.history(domain)) == 1


def test_a_version_whose_files_are_gone_is_neither_promoted_nor_returned_to(
    registry, domain, adapter
):
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.number, **JUDGED)
    registry.promote(domain, two.number, **JUDGED)
    Path(one.source.removeprefix("file://"), "lineage.json").unlink()
    with pytest.raises(RegistryError, match=r"the files of version 1 .* are gone"):
        registry.rollback(domain, **WHO)
    with pytest.raises(RegistryError, match=r"the files of version 1 .* are gone"):
        registry.promote(domain, one.number, **JUDGED)
    assert registry.champion(domain) == two


def test_a_deleted_champion_does_not_stop_a_rollback(registry, domain, adapter):
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.number, **JUDGED)
    registry.promote(domain, two.number, **JUDGED)
    registry.client.delete_model_version(domain, two.number)
    with pytest.raises(RegistryError, match=r"version 2 .* cannot be read"):
        registry.champion(domain)
    registry.rollback(domain, **WHO)
    assert registry.champion(domain) == one
    assert aliases(registry, domain) == {"champion": one.number}


def test_a_deleted_event_is_an_error(registry, domain, adapter):
    register_all(registry, domain, adapter, 2)
    registry.client.delete_model_version(f"{domain}-ledger", "1")
    with pytest.raises(RegistryError, match="event 1 is missing"):
        registry.state(domain)


def test_names_that_no_version_has_are_errors(registry, domain, adapter):
    with pytest.raises(RegistryError, match="there are: none yet"):
        registry.find(domain, "champion")
    register(registry, domain, adapter, "c1")
    with pytest.raises(RegistryError, match=r"no version 'v7\.0'"):
        registry.find(domain, "v7.0")
