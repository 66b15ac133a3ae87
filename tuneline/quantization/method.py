"""What a quantization is: how it is written, what runs it, what it is compared with."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneline.errors import QuantizationError
from tuneline.machine import Machine
from tuneline.records import Record
from tuneline.reports import StoredWeights

Write = Callable[[Path, Machine, Path, Sequence[Record]], None]
"""(folder of the source, machine, an existing empty folder to fill, records to calibrate on)."""
REFERENCE = "bf16"
"""The merged model as it is, 16 bit."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """One way to make a merged model smaller."""

    write: Write | None
    """Writes a folder that the engine loads; None for the merged model itself."""
    inspect: Callable[[Path], StoredWeights]
    """What the files of such a folder hold."""
    made_from: str = REFERENCE
    """The variant whose folder `write` reads."""
    reference: str = REFERENCE
    """The variant of the same runtime whose answers it is compared with."""
    engine: str = "transformers"
    """Key of `ENGINES`."""
    engines: tuple[str, ...] = ("transformers", "vllm")
    """Runtimes that can load it, of those that `engine` stands for."""
    is_calibrated: bool = False
    """Whether `write` looks at training records."""
    packages: tuple[str, ...] = ("torch", "transformers")
    """What writes it: their versions decide whether a variant is made again."""
    extra: str | None = None
    """Optional dependencies of Tuneline that hold the packages."""
    modules: tuple[str, ...] = ()
    """Modules of `tuneline` that write it, besides `base_model` and `export`."""
    check_tools: Callable[[], None] | None = None
    """Raises QuantizationError where tools that are no packages are missing."""

    def check_installed(self, name: str) -> None:
        """Fail before any work where a package or a tool is missing.

        Raises:
            QuantizationError: Names what is missing and how to install it.
        """
        if self.check_tools is not None:
            self.check_tools()
        for package in self.packages:
            try:
                importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError as error:
                wanted = f"'tuneline[{self.extra}]'" if self.extra else package
                raise QuantizationError(
                    f"quantization {name} needs the package {package}, which is not installed; "
                    f"run `pip install -c constraints.txt {wanted}` or take {name} out of "
                    "quantization.variants"
                ) from error
