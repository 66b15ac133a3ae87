"""Tags and aliases that follow the ledger, or do not."""

import pytest

from tests.registry.acting import JUDGED, WHO, Killed, aliases, register, register_all
from tuneline.registry import Registry
from tuneline.release.event import Event


def test_a_plain_mlflow_client_finds_the_champion_by_its_alias(registry, domain, adapter):
    one = register(registry, domain, adapter, "c1")
    registry.promote(domain, "challenger", **JUDGED)
    entry = registry.client.get_model_version_by_alias(domain, "champion")
    assert (str(entry.version), entry.source) == (one.number, one.source)


def test_what_was_changed_by_hand_is_reported_and_put_right_by_command_only(
    registry, domain, adapter, caplog
):
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.number, **JUDGED)
    registry.promote(domain, two.number, **JUDGED)
    registry.client.set_registered_model_alias(domain, "champion", one.number)
    registry.client.set_model_version_tag(domain, one.number, "release", "v9.9-mine-20250401")
    changed = [
        f"tag release of version 1 is v9.9-mine-20250401, not {one.release}",
        "alias champion is on version 1, not on 2",
    ]
    assert registry.champion(domain) == two
    assert "changed by hand: " + "; ".join(changed) in caplog.text
    register(registry, domain, adapter, "c3")
    assert registry.drift(domain) == changed
    assert aliases(registry, domain) == {"champion": "1", "challenger": "3"}
    event = registry.reconcile(domain, **WHO)
    assert event.reason == f"a reason: {'; '.join(changed)}"
    assert registry.drift(domain) == []
    assert aliases(registry, domain) == {"champion": "2", "challenger": "3"}
    assert registry.reconcile(domain, **WHO) is None


def test_an_alias_that_a_killed_promotion_left_behind_is_mended_without_a_word(
    registry, domain, adapter, caplog
):
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.number, **JUDGED)
    head = registry.state(domain).head
    registry.append(Event("promote", domain, "ann", "", "k", two.number, follows=head))
    assert aliases(registry, domain)["champion"] == "1"
    assert registry.champion(domain) == two
    assert aliases(registry, domain) == {"champion": "2"}
    assert "by hand" not in caplog.text


def test_a_mender_that_was_slower_than_the_next_writer_mends_its_own_late_alias(
    registry, domain, adapter, monkeypatch, caplog
):
    one, two, three = register_all(registry, domain, adapter, 3)
    registry.promote(domain, one.number, **JUDGED)
    head = registry.state(domain).head
    registry.append(Event("promote", domain, "ann", "", "k", two.number, follows=head))
    slow = Registry(registry.uri)
    set_alias = slow.client.set_registered_model_alias

    def set_late(*args):
        if registry.state(domain).champion == "2":
            registry.promote(domain, three.number, **JUDGED)
        set_alias(*args)

    monkeypatch.setattr(slow.client, "set_registered_model_alias", set_late)
    slow.mend(domain)
    assert aliases(registry, domain)["champion"] == "3"
    assert "by hand" not in caplog.text


def test_a_mender_killed_after_a_late_alias_leaves_no_false_report(
    registry, domain, adapter, monkeypatch, caplog
):
    one, two, three = register_all(registry, domain, adapter, 3)
    registry.promote(domain, one.number, **JUDGED)
    head = registry.state(domain).head
    registry.append(Event("promote", domain, "ann", "", "k", two.number, follows=head))
    slow, set_alias = Registry(registry.uri), registry.client.set_registered_model_alias

    def set_late_and_die(*args):
        monkeypatch.setattr(slow.client, "set_registered_model_alias", set_alias)
        registry.promote(domain, three.number, **JUDGED)
        set_alias(*args)
        raise Killed

    monkeypatch.setattr(slow.client, "set_registered_model_alias", set_late_and_die)
    with pytest.raises(Killed):
        slow.mend(domain)
    assert aliases(registry, domain)["champion"] == "2"
    assert registry.champion(domain) == three
    assert aliases(registry, domain)["champion"] == "3"
    assert "by hand" not in caplog.text
