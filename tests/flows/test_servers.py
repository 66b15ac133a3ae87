"""Local servers and the files that tell which process is ours."""

from pathlib import Path

import pytest

from flows import servers


@pytest.mark.parametrize("text", ["", '{"pid": 1', "4711"])
def test_a_pid_file_that_was_cut_or_is_older_names_no_process(
    text: str, tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    servers.PREFECT.pid_file.parent.mkdir()
    servers.PREFECT.pid_file.write_text(text)
    assert servers.PREFECT.process() is None
    assert not servers.stop(servers.PREFECT)
