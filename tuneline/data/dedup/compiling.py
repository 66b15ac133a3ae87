"""How loops are compiled, and where the compiled ones are kept.

numba keeps a function's machine code by the age of the function's own file; it does not see that a
function of another file, which was compiled into it, has changed. So the folder carries a digest of
all files that are compiled together.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numba

HERE = Path(__file__).parent
SOURCES = ("characters.py", "compiling.py", "kernels.py", "links.py")


def _cache_folder() -> Path:
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES))
    beside = HERE / "__pycache__"
    is_writable = os.access(beside if beside.exists() else HERE, os.W_OK)
    folder = beside if is_writable else Path(tempfile.gettempdir()) / f"tuneline-{os.getuid()}"
    return folder / f"numba-{digest.hexdigest()[:16]}"


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]

compiled: Any = numba.njit(cache=True, nogil=True)
inlined: Any = numba.njit(cache=True, nogil=True, inline="always")
