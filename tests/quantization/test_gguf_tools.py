"""Tools that fail, crash or are missing are one sentence with what they said."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tuneline.errors import QuantizationError
from tuneline.quantization import gguf_tools
from tuneline.quantization.gguf import GGUF


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


@pytest.mark.parametrize("name", GGUF)
def test_what_is_not_installed_is_said_before_any_work_with_the_command_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(QuantizationError, match=r"llama.cpp, which is not installed; run `make gg"):
        GGUF[name].check_installed(name)
    monkeypatch.setitem(sys.modules, "llama_cpp", ModuleType("llama_cpp"))
    monkeypatch.setattr(sys.modules["llama_cpp"], "__spec__", ModuleSpec("llama_cpp", None))
    monkeypatch.setattr(gguf_tools, "CONVERTER", Path("/nowhere/convert.py"))
    with pytest.raises(
        QuantizationError, match=r"converter at /nowhere/convert.py; run `make gguf"
    ):
        GGUF[name].check_installed(name)
