"""The same calls against MLflow servers."""

import pytest

from tests.registry.acting import JUDGED, WHO, aliases, register_all
from tuneline.registry import Registry


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
