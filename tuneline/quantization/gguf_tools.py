"""llama.cpp's converter and quantizer, each run as a process of its own.

A crash in C code then ends that process and not the flow, and an error that llama.cpp prints
instead of returning is found in what the process printed.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tuneline.errors import QuantizationError
from tuneline.processes import run
from tuneline.store import workspace

CONVERTER = Path(sys.prefix) / "share" / "llama.cpp" / "convert_hf_to_gguf.py"
"""From the source package of llama-cpp-python, so that converter and runtime are of one version."""
N_LINES = 4
"""Last lines of a failed process that its error shows."""
HINT = "run `make gguf`, which compiles llama.cpp and unpacks its converter in about five minutes"


def check_tools() -> None:
    """Fail before any work where llama.cpp or its converter is missing.

    Raises:
        QuantizationError: Says what would install them.
    """
    if importlib.util.find_spec("llama_cpp") is None:
        raise QuantizationError(f"GGUF needs llama.cpp, which is not installed; {HINT}")
    if not CONVERTER.is_file():
        raise QuantizationError(f"GGUF needs llama.cpp's converter at {CONVERTER}; {HINT}")


def convert(merged_model: Path, file: Path, converter: Path = CONVERTER) -> None:
    """Write a folder of safetensors as GGUF: matrices in float16, vectors in float32.

    The converter has its own `gguf` package beside it, which goes before the installed one.

    Raises:
        QuantizationError: llama.cpp does not know the architecture or the tokenizer; shows what
            the converter said.
    """
    command = [sys.executable, str(converter), str(merged_model), "--outfile", str(file)]
    _run([*command, "--outtype", "f16", "--model-name", "merged"], file, "convert the merged model")


def quantize(source: Path, file: Path, ftype: str) -> None:
    """Write a 16-bit GGUF file anew in another mixture of types, in the same order of tensors.

    Args:
        source: GGUF in 16 bit.
        file: Where to write.
        ftype: llama.cpp's name of the mixture, such as `Q4_K_M`.

    Raises:
        QuantizationError: llama.cpp failed or crashed; shows what it said.
    """
    worker = "tuneline.quantization.gguf_worker"
    command = [sys.executable, "-m", worker, str(source), str(file), ftype]
    _run(command, file, f"quantize to {ftype}")


def _run(command: Sequence[str], file: Path, what: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "output.txt"
        env = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        code = run(command, workspace() / "processes", output, env=env)
        if code == 0 and file.is_file():
            return
        said = output.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    raise QuantizationError(
        f"llama.cpp could not {what} (exit code {code}); it said: {' | '.join(lines[-N_LINES:])}"
    )
