"""What marks tests that need llama.cpp: they are skipped where it is not installed."""

import importlib.util

import pytest

from tuneline.quantization.gguf_tools import CONVERTER

IS_THERE = importlib.util.find_spec("llama_cpp") is not None and CONVERTER.is_file()
needs_llama_cpp = [
    pytest.mark.gguf,
    pytest.mark.skipif(not IS_THERE, reason="llama.cpp is not installed: run `make gguf`"),
]
