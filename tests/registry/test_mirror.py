"""Tags and aliases that follow the ledger, or do not."""

from tests.registry.acting import JUDGED, register, register_all


def test_a_plain_mlflow_client_finds_the_champion_by_its_alias(registry, domain, adapter):
    one = register(registry, domain, adapter, "c1")
    registry.promote(domain, "challenger", **JUDGED)
    entry = registry.client.get_model_version_by_alias(domain, "champion")
    assert (str(entry.version), entry.source) == (one.number, one.source)


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
