"""A version that is not whole is not served."""

import re
from pathlib import Path

import pytest

from tests.registry.acting import JUDGED, WHO, register_all
from tuneline.errors import RegistryError


@pytest.fixture
def domain(request):
    """Of each damage, too."""
    return re.sub(r"\W", "_", request.node.name)


@pytest.fixture
def champions(registry, domain, adapter):
    """Two champions, the first of which a rollback would return to, and its folder."""
    first, second = register_all(registry, domain, adapter, 2)
    registry.promote(domain, first.number, **JUDGED)
    registry.promote(domain, second.number, **JUDGED)
    return first, second, Path(first.source.removeprefix("file://"))


def test_whole_files_are_counted_and_their_lineage_is_read(registry, champions):
    first, _, folder = champions
    assert registry.verify(first) == len(list(folder.iterdir())) - 1
    assert registry.lineage(first)["base_model"] == "tiny"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "gone from"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"WEIGHTS"), "SHA-256"),
        (lambda folder: (folder / "lineage.json").unlink(), "gone from"),
        (lambda folder: (folder / "lineage.json").write_text('{"files": {}}'), "lineage.json is"),
        (lambda folder: (folder / "lineage.json").write_text("{"), "lineage.json is"),
    ],
    ids=["file gone", "file changed", "lineage gone", "lineage changed", "lineage torn"],
)
def test_a_rollback_to_damaged_files_is_refused_and_moves_nothing(
    registry, domain, champions, damage, told
):
    _, second, folder = champions
    damage(folder)
    with pytest.raises(RegistryError, match=told):
        registry.rollback(domain, **WHO)
    assert registry.champion(domain) == second
    assert len(registry.history(domain)) == 4


@pytest.mark.slow
def test_files_on_a_server_are_verified_as_those_on_this_disk(server, adapter, tmp_path):
    from tuneline.registry import Registry

    remote = Registry(server)
    first, second = register_all(remote, "remote", adapter, 2)
    remote.promote("remote", first.number, **JUDGED)
    remote.promote("remote", second.number, **JUDGED)
    assert first.source.startswith("mlflow-artifacts:")
    assert remote.verify(first) == 2
    stored = [f for f in tmp_path.rglob("adapter_model.safetensors") if f.parent != adapter]
    assert len(stored) == 2
    for file in stored:
        file.write_bytes(b"other")
    with pytest.raises(RegistryError, match="SHA-256"):
        remote.rollback("remote", **WHO)
    assert remote.champion("remote") == second
