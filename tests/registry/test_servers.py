"""What the ledger promises, against MLflow servers on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.registry_servers import has_postgres, mlflow_server, postgres
from benchmarks.release import change_without_pause, read_often, shown
from tests.registry.acting import (
    JUDGED,
    WHO,
    aliases,
    check_that_a_killed_rollback_happened_or_did_not,
    register_all,
)
from tuneline.errors import RegistryError
from tuneline.registry import Registry
from tuneline.release.ledger import states

pytestmark = pytest.mark.slow
needs_postgres = pytest.mark.skipif(
    not has_postgres(), reason="PostgreSQL is not installed (Debian: apt-get install postgresql)"
)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def registry(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        with mlflow_server(folder) as uri:
            yield Registry(uri)
        return
    with postgres() as store, mlflow_server(folder, store, workers=2) as uri:
        yield Registry(uri)


@pytest.fixture
def domain(request):
    return request.node.name.partition("[")[0]


def test_a_server_takes_the_same_calls(registry, domain, adapter):
    one, two = register_all(registry, domain, adapter, 2)
    registry.promote(domain, one.release, **JUDGED)
    registry.promote(domain, two.release, **JUDGED)
    registry.rollback(domain, **WHO)
    assert registry.champion(domain) == one
    assert one.source.startswith("mlflow-artifacts:")
    assert aliases(registry, domain) == {"champion": one.number}
    assert registry.audit(domain) == ()


def test_of_promotions_at_once_each_is_in_the_chain_once_or_was_told_who_won(
    registry, domain, adapter
):
    register_all(registry, domain, adapter, 3)

    def promote(i):
        try:
            more = {"reason": "", "evidence": "", "key": f"key {i}"}
            return Registry(registry.uri).promote(domain, str(i % 3 + 1), actor=f"a{i}", **more)
        except RegistryError as error:
            assert "was first" in str(error) or "champion already" in str(error)
            return None

    with ThreadPoolExecutor(12) as pool:
        told = [event for event in pool.map(promote, range(12)) if event]
    chain = [e for e in registry.mend(domain).events if e.kind == "promote"]
    assert sorted(told, key=lambda event: event.number) == chain
    champions = [None, *(event.to_version for event in chain)]
    assert [event.from_version for event in chain] == champions[:-1]
    assert aliases(registry, domain)["champion"] == champions[-1]
    assert registry.drift(domain) == []


def test_what_is_read_under_changes_was_true_at_one_time(registry, domain, adapter, tmp_path):
    register_all(registry, domain, adapter, 3)
    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(change_without_pause, registry.uri, domain, str(tmp_path / "stop"))
        seen = read_often(registry.uri, domain, 100, seconds=60)
        (tmp_path / "stop").touch()
        assert writer.result() > 0
    assert len({read.head for read in seen}) > 1
    assert set(seen) <= {shown(state) for state in states(registry.state(domain).events)}


def test_a_rollback_killed_after_any_call_happened_or_did_not(registry, domain, adapter):
    check_that_a_killed_rollback_happened_or_did_not(registry, domain, adapter)
