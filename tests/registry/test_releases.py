"""Versions and champions on a real MLflow registry in SQLite."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.registry.acting import JUDGED, WHO, aliases, register, register_all
from tuneline.errors import RegistryError
from tuneline.registry import Registry, chain
from tuneline.registry.reader import RegistryReader


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


def test_a_deleted_event_is_an_error_in_the_next_process(registry, domain, adapter):
    register_all(registry, domain, adapter, 2)
    registry.client.delete_model_version(f"{domain}-ledger", "1")
    registry.client = _client_of_another_process(registry)
    with pytest.raises(RegistryError, match="event 1 is missing"):
        registry.state(domain)


def test_a_ledger_is_read_once_and_then_what_is_new(registry, domain, adapter, monkeypatch):
    one, _ = register_all(registry, domain, adapter, 2)
    other = RegistryReader(registry.uri)
    other.client = _client_of_another_process(registry)
    assert other.state(domain) == registry.state(domain)
    registry.promote(domain, one.number, **JUDGED)
    conditions: list[str] = []
    search = other.client.search_model_versions

    def watched(condition: str, **more):
        conditions.append(condition)
        return search(condition, **more)

    monkeypatch.setattr(other.client, "search_model_versions", watched)
    assert other.state(domain).champion == one.number
    assert conditions == [f"name = '{domain}-ledger' and version_number >= 2"]
    assert other.state(domain) == chain.read_all(other.client, domain)


def test_a_ledger_restored_from_an_older_backup_is_read_anew(registry, domain, adapter):
    one, _ = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.number, **JUDGED)
    registry.client.delete_model_version(f"{domain}-ledger", "3")
    state = registry.state(domain)
    assert (state.head, state.champion) == (2, None)


def _client_of_another_process(registry: Registry) -> MlflowClient:
    return MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)


def test_names_that_no_version_has_are_errors(registry, domain, adapter):
    with pytest.raises(RegistryError, match="there are: none yet"):
        registry.find(domain, "champion")
    register(registry, domain, adapter, "c1")
    with pytest.raises(RegistryError, match=r"no version 'v7\.0'"):
        registry.find(domain, "v7.0")


def test_a_release_is_major_where_the_base_model_changed_or_it_is_asked_for(
    registry, domain, adapter
):
    register(registry, domain, adapter, "c1")
    other = register(registry, domain, adapter, "c2", lineage={"base_model": "other"})
    more = register(registry, domain, adapter, "c3", lineage={"base_model": "other"})
    asked = register(registry, domain, adapter, "c4", is_major=True, lineage=None)
    names = [version.release.partition("-")[0] for version in (other, more, asked)]
    assert names == ["v2.0", "v2.1", "v3.0"]
    reasons = [event.reason for event in registry.history(domain)]
    assert reasons[:3] == ["", "major: base model: tiny -> other", ""]
    assert reasons[3] == "major: asked for; major: base model: other -> tiny"


def test_a_model_card_lies_signed_among_the_files(registry, domain, adapter, tmp_path):
    version = register(registry, domain, adapter, "c1", card="# Card\n\n律师\n")
    folder = registry.download(version, tmp_path / "downloads")
    assert (folder / "README.md").read_text(encoding="utf-8") == "# Card\n\n律师\n"
    assert registry.audit(domain) == ()
    Path(version.source.removeprefix("file://"), "README.md").write_text("# Better card")
    [found] = registry.audit(domain)
    assert "SHA-256 of README.md" in found.found
