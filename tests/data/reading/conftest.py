"""What the tests of reading share: rows written to a file, and a file read whole."""

import gzip
import json

import pytest

from tuneline.data.drops import Drop
from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.files import find_files
from tuneline.data.reading.sources import open_file


@pytest.fixture
def source_of():
    """Settings of a source at a path."""

    def make(path, **settings):
        return SourceConfig(name="terms", path=str(path), license="MIT", **settings)

    return make


@pytest.fixture
def read_file(source_of):
    """Records and drops of the one file at a path."""

    def read(path, **settings):
        source = source_of(path, **settings)
        (file,) = find_files(source)
        with open_file(source, file) as opened:
            items = list(opened)
        records = [item for item in items if not isinstance(item, Drop)]
        return records, [item for item in items if isinstance(item, Drop)], opened

    return read


@pytest.fixture
def read_rows(read_file, tmp_path):
    """Records and drops of rows, written as JSON Lines."""

    def read(rows, **settings):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_file(path, **settings)[:2]

    return read


@pytest.fixture
def write(tmp_path):
    """A file with some text or bytes."""

    def put(content, name="data.json", encoding="utf-8", *, is_gzipped=False):
        data = content if isinstance(content, bytes) else content.encode(encoding)
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if is_gzipped else data)
        return path

    return put
