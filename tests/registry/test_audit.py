"""Whatever somebody changes behind the ledger's back is found, and named."""

from pathlib import Path

import pytest

from tests.registry.acting import JUDGED, register_all


@pytest.fixture
def releases(registry, domain, adapter):
    """Two releases that were champions one after the other; nothing is wrong."""
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.number, **JUDGED)
    registry.promote(domain, two.number, **JUDGED)
    assert registry.audit(domain) == ()
    return one, two


def found(registry, domain):
    return [(finding.kind, finding.found) for finding in registry.audit(domain)]


def test_an_edited_event_does_not_fit_the_next(registry, domain, releases):
    registry.client.set_model_version_tag(f"{domain}-ledger", "3", "reason", "a better reason")
    sentence = "event 4 was not written after event 3 as it is now: one of the two was edited"
    assert found(registry, domain) == [("ledger", sentence)]


def test_an_event_whose_seal_was_removed_is_found(registry, domain, releases):
    registry.client.delete_model_version_tag(f"{domain}-ledger", "4", "seal")
    [(kind, sentence)] = found(registry, domain)
    assert (kind, sentence.partition(" was")[0]) == ("ledger", "event 4")


def test_a_deleted_event_is_found(registry, domain, releases):
    registry.client.delete_model_version(f"{domain}-ledger", "2")
    [(kind, sentence)] = found(registry, domain)
    assert (kind, "event 2 is missing" in sentence) == ("ledger", True)


def test_a_changed_file_is_found_with_its_release(registry, domain, releases):
    one, _ = releases
    folder = Path(one.source.removeprefix("file://"))
    (folder / "adapter_model.safetensors").write_bytes(b"WEIGHTS")
    [(kind, sentence)] = found(registry, domain)
    assert kind == "files"
    assert sentence.startswith(f"{one.release} is damaged: SHA-256 of adapter_model.safetensors")
    assert registry.audit(domain, ["champion"]) == ()


def test_a_hand_moved_alias_is_tampering_and_one_that_is_late_is_not(registry, domain, releases):
    one, _ = releases
    registry.client.set_registered_model_alias(domain, "champion", one.number)
    [moved] = registry.audit(domain)
    assert (moved.kind, moved.is_tampering) == ("by hand", True)
    assert "--reconcile" in moved.way_out
    registry.client.set_registered_model_tag(domain, "ledger.mirrored", "3")
    [late] = registry.audit(domain)
    assert (late.kind, late.is_tampering) == ("late", False)


def test_a_deleted_version_and_one_that_was_added_by_hand_are_found(registry, domain, releases):
    one, two = releases
    registry.client.delete_model_version(domain, one.number)
    registry.client.create_model_version(domain, two.source)
    assert [kind for kind, _ in found(registry, domain)] == ["gone", "unknown"]
