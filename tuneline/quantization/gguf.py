"""GGUF for llama.cpp: the merged model in float16, and smaller mixtures made from that file."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.generation.llama_cpp_engine import LlamaCppEngine
from tuneline.generation.llama_cpp_model import gguf_file
from tuneline.generation.transformers_engine import TransformersEngine
from tuneline.machine import Machine, free_memory
from tuneline.quantization import gguf_tools
from tuneline.quantization.gguf_inspect import inspect
from tuneline.quantization.gguf_parity import (
    MAX_NEW_TOKENS,
    N_PROMPTS,
    PARITY,
    TIES,
    ConversionParity,
    check_conversion,
    compare_conversion,
)
from tuneline.quantization.method import Quantization
from tuneline.records import Record
from tuneline.reports import save_report

ENGINE = "llama_cpp"
F16 = "gguf-f16"
"""What every smaller file is made from and compared with."""
MIXTURES = ("Q8_0", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
"""llama.cpp's names, from most to fewest bits per weight."""
BESIDE = ("*.json", "*.jinja", "*.model", "*.txt")
"""Files of a model that lie beside its weights: tokenizer, template, settings."""
NOT_BESIDE = ("manifest.json", "*.index.json", "*_parity.json")
"""Files of the model that a folder was made from and that are not true of it."""


def float16(source: Path, machine: Machine, out: Path, calibration: Sequence[Record]) -> None:
    """Convert the merged model, and check on prompts of `calibration` that it is the same model.

    Raises:
        QuantizationError: llama.cpp does not know the model, or what it made of
            the model answers otherwise.
    """
    gguf_tools.convert(source, out / "model-F16.gguf")
    _copy_beside(source, out)
    if calibration:
        parity = conversion_parity(source, out, calibration[:N_PROMPTS], machine)
        check_conversion(parity)
        save_report(out / PARITY, parity)


def mixture(
    ftype: str, source: Path, machine: Machine, out: Path, calibration: Sequence[Record]
) -> None:
    """Quantize the file in float16 to one of llama.cpp's mixtures.

    Raises:
        QuantizationError: llama.cpp failed.
    """
    gguf_tools.quantize(gguf_file(source), out / f"model-{ftype}.gguf", ftype)
    _copy_beside(source, out)


def conversion_parity(
    merged: Path, converted: Path, records: Sequence[Record], machine: Machine
) -> ConversionParity:
    """How the file in float16 answers where the merged model answers greedily.

    On a CPU the merged model computes in float32, so that what is seen is the file's rounding and
    not that of bfloat16 activations; on a GPU in the machine's dtype, which is half as large.
    """
    config = GenerationConfig(max_new_tokens=MAX_NEW_TOKENS)
    exact = replace(machine, dtype_name="float32") if machine.device == "cpu" else machine
    engine = TransformersEngine(ModelArtifact("merged", merged, ""), exact, config)
    prompts = [engine.render(record.prompt) for record in records]
    predictions, _ = Generator(engine, config).generate([record.prompt for record in records])
    answers = [prediction.text or "" for prediction in predictions]
    ours = LlamaCppEngine(ModelArtifact(F16, converted, "", engine=ENGINE), machine, config)
    try:
        return compare_conversion(engine, ours, prompts, answers, TIES[exact.dtype_name])
    finally:
        ours.close()
        free_memory()


def _copy_beside(source: Path, out: Path) -> None:
    """The tokenizer and its template go with every file: prompts are rendered by them."""
    others = {file for pattern in NOT_BESIDE for file in source.glob(pattern)}
    for pattern in BESIDE:
        for file in set(source.glob(pattern)) - others:
            shutil.copyfile(file, out / file.name)


_MODULES = ("quantization/gguf", "quantization/gguf_tools", "quantization/gguf_worker")

GGUF: dict[str, Quantization] = {
    F16: Quantization(
        float16,
        inspect,
        reference=F16,
        engine=ENGINE,
        is_calibrated=True,
        packages=("torch", "transformers", "llama-cpp-python", "sentencepiece"),
        extra="gguf",
        modules=(*_MODULES, "quantization/gguf_parity"),
        check_tools=gguf_tools.check_tools,
    ),
    **{
        f"gguf-{ftype.lower()}": Quantization(
            partial(mixture, ftype),
            inspect,
            made_from=F16,
            reference=F16,
            engine=ENGINE,
            packages=("llama-cpp-python",),
            extra="gguf",
            modules=_MODULES,
            check_tools=gguf_tools.check_tools,
        )
        for ftype in MIXTURES
    },
}
"""Keys `gguf-f16`, `gguf-q8_0`, ...: entries of `QUANTIZATIONS`."""
