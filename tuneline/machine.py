"""What this machine can do, decided in one place: device, dtype, optimizer, attention."""

import ctypes
import gc
import importlib.util
import logging
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from llvmlite.binding import get_host_cpu_features

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """Settings that follow from the hardware, never from the profile."""

    device: str
    """`cuda` or `cpu`."""
    dtype_name: str
    """`bfloat16`, `float16` or `float32`: of weights that are not quantized, and of autocast."""
    attention: str
    """Attention implementation for transformers."""
    has_bitsandbytes: bool
    """Whether NF4 and int8 work here."""
    has_liger: bool = False
    """Whether Liger's fused kernels are used in training."""

    @property
    def dtype(self) -> "torch.dtype":
        """The torch dtype of `dtype_name`."""
        import torch

        dtype: torch.dtype = getattr(torch, self.dtype_name)
        return dtype

    @property
    def for_storage(self) -> "Machine":
        """The machine with 16-bit weights, as models are saved where it computes in 32 bit."""
        return replace(self, dtype_name="bfloat16") if self.dtype_name == "float32" else self

    def optimizer(self, wanted: str) -> str:
        """The wanted optimizer, or its equal where this machine has no paged memory."""
        if self.device == "cuda" or not wanted.startswith("paged_"):
            return wanted
        return "adamw_torch"

    def describe(self, optimizer: str) -> str:
        """One line for people: what runs here, and what was replaced."""
        chosen = self.optimizer(optimizer)
        replaced = "" if chosen == optimizer else f" (in place of {optimizer}: no CUDA)"
        return f"{self.device}, {self.dtype_name}, {self.attention} attention, {chosen}{replaced}"


_elsewhere: list[Machine] = []


@contextmanager
def worked_on(machine: Machine) -> Iterator[None]:
    """Let keys and reports be those of another machine, on which the work was done."""
    _elsewhere.append(machine)
    try:
        yield
    finally:
        _elsewhere.pop()


def this_machine() -> Machine:
    """The machine that works: this one, except inside `worked_on`."""
    return _elsewhere[-1] if _elsewhere else _look()


@cache
def _look() -> Machine:
    """Look once at the hardware and the installed packages."""
    has_bitsandbytes = _is_there("bitsandbytes")
    if _has_cuda():
        import torch

        dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        return Machine(
            "cuda", dtype, _cuda_attention(), has_bitsandbytes, _is_there("liger_kernel")
        )
    # Eager attention is 20 % faster than SDPA on short sequences on CPU.
    return Machine("cpu", _cpu_dtype(), "eager", has_bitsandbytes)


def _has_cuda() -> bool:
    """Whether torch can use a GPU; it takes seconds to import, and need not where no driver is."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _cuda_attention() -> str:
    """FlashAttention where it is installed."""
    return "flash_attention_2" if _is_there("flash_attn") else "sdpa"


def _cpu_dtype() -> str:
    """bfloat16 where the CPU multiplies in it; emulated it would be slower than float32."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return "bfloat16"
    return "bfloat16" if get_host_cpu_features().get("avx512bf16") else "float32"


def quiet_libraries() -> None:
    """Leave the terminal to our own progress: no bar per file, no line per quantized layer."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    for name in ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops"):
        logging.getLogger(name).setLevel(logging.ERROR)


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA has an error of its own; on a CPU torch raises a plain RuntimeError."""
    import torch

    is_cpu_allocator = "DefaultCPUAllocator" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or is_cpu_allocator


@cache
def pass_over_imports() -> None:
    """Let garbage collection leave out what is imported, once per process, before the first model.

    It would look through these modules, half a second, at each collection, and they stay.
    """
    gc.collect()
    gc.freeze()


def free_memory() -> None:
    """Give back what a finished stage held: models sit in reference cycles."""
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
