import pytest

from tuneline.data import bounds
from tuneline.data.bounds import check_keys_fit, count_rows
from tuneline.data.config import DataConfig
from tuneline.data.prepare import prepare
from tuneline.errors import DataError
from tuneline.store import Store


def test_a_million_records_fit_the_default_and_ten_million_are_refused():
    check_keys_fit(1_000_000, 0, 1024)
    with pytest.raises(DataError, match=r"10,000,000 records .* about 1,908 MiB"):
        check_keys_fit(10_000_000, 0, 1024)


def test_the_setting_that_the_refusal_names_is_enough():
    with pytest.raises(DataError, match=r"1,000,000 of earlier .* set data.memory_mib to 437 "):
        check_keys_fit(1_000_000, 1_000_000, 436)
    check_keys_fit(1_000_000, 1_000_000, 437)


def test_too_many_records_stop_before_anything_is_compared(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    row = '{"instruction": "Who pays the rent of flat %d?", "output": "Tenant number %d."}\n'
    path.write_text("".join(row % (n, n) for n in range(100)))
    source = {"name": "flats", "path": str(path), "license": "MIT"}
    config = DataConfig.model_validate({"sources": [source]})
    monkeypatch.setattr(bounds, "KEY_BYTES", 2**24)
    with pytest.raises(DataError, match="comparing 100 records"):
        prepare("flats", config, Store(tmp_path / "ws"))
    assert not list((tmp_path / "ws").glob("store/sketch/*"))
    monkeypatch.undo()
    output = prepare("flats", config, Store(tmp_path / "ws"))
    assert count_rows(output.path.glob("*.parquet")) > 100, "sides, and what was used"
