"""Tools that fail, crash or are missing are one sentence with what they said."""

import os
import sys
from pathlib import Path

import pytest

from tuneline.errors import QuantizationError
from tuneline.quantization import gguf_tools


def converter(folder: Path, body: str) -> Path:
    file = folder / "convert.py"
    file.write_text(f"import os, sys\n{body}\n")
    return file


def test_what_a_failed_converter_said_last_is_in_the_error(tmp_path: Path):
    script = converter(tmp_path, "print('loading'); sys.exit('unknown tokenizer abc')")
    with pytest.raises(QuantizationError) as caught:
        gguf_tools.convert(tmp_path, tmp_path / "out.gguf", script)
    assert "could not convert the merged model (exit code 1)" in str(caught.value)
    assert "unknown tokenizer abc" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_crash_ends_the_tool_and_not_this_process(tmp_path: Path):
    script = converter(tmp_path, "os.kill(os.getpid(), 11)")
    with pytest.raises(QuantizationError, match=r"exit code -11"):
        gguf_tools.convert(tmp_path, tmp_path / "out.gguf", script)


def test_a_tool_that_says_all_is_well_and_writes_nothing_has_failed(tmp_path: Path):
    with pytest.raises(QuantizationError, match=r"exit code 0\); it said: done"):
        gguf_tools.convert(tmp_path, tmp_path / "out.gguf", converter(tmp_path, "print('done')"))


def test_the_converter_is_told_folder_file_and_type_and_no_hub(tmp_path: Path):
    body = """
file = sys.argv[sys.argv.index('--outfile') + 1]
open(file, 'w').write(' '.join([*sys.argv[1:], os.environ['HF_HUB_OFFLINE']]))
"""
    out = tmp_path / "out.gguf"
    gguf_tools.convert(tmp_path / "merged", out, converter(tmp_path, body))
    told = out.read_text().split()
    assert told[0] == str(tmp_path / "merged")
    assert told[told.index("--outtype") + 1] == "f16"
    assert told[-1] == "1"


def test_what_is_not_installed_is_said_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setattr(gguf_tools, "CONVERTER", Path(os.devnull))
    with pytest.raises(QuantizationError, match=r"run `make gguf`"):
        gguf_tools.check_tools()
