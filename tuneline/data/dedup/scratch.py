"""Large arrays in files without a name: what is in memory of them is bounded, whatever their size.

The system frees such a file with its last user, also when the process is killed.
"""

import ctypes
import mmap
import os
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scratch(NamedTuple):
    """Where large arrays lie."""

    folder: Path
    max_bytes: int
    """Bytes of such files that may stay in this process's memory."""

    def file(self) -> "ScratchFile":
        """A new file that nobody else sees."""
        return ScratchFile(self.folder)


class ScratchFile:
    """32-bit numbers in a file that is gone with its last user."""

    def __init__(self, folder: Path) -> None:
        self.n = 0
        """Numbers in the file."""
        with TemporaryFile(dir=folder) as file:
            self.descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.descriptor)

    def append(self, values: NDArray[np.uint32]) -> None:
        """Write numbers behind what the file has."""
        with os.fdopen(os.dup(self.descriptor), "ab") as file:
            file.write(values.data)
        self.n += values.size

    def read(self, first: int, n: int) -> NDArray[np.uint32]:
        """Some of the numbers."""
        return np.frombuffer(os.pread(self.descriptor, 4 * n, 4 * first), dtype=np.uint32)


class Pages:
    """A file of 32-bit hashes as an array, whose pages are let go before they fill the memory."""

    def __init__(self, file: ScratchFile, max_bytes: int) -> None:
        """Map a file as it is now.

        Args:
            file: What to map.
            max_bytes: Bytes of files that this process may gain in memory from now on.
        """
        # A private map is an array like any other to compiled code; nobody writes to it.
        self._map = mmap.mmap(file.descriptor, 0, access=mmap.ACCESS_COPY) if file.n else None
        self.values = np.frombuffer(self._map or bytearray(), dtype=np.uint32)
        self._max_bytes = _file_bytes_in_memory() + max_bytes

    def let_go(self) -> None:
        """Give the pages back if there are too many; whoever reads on gets them anew."""
        if self._map is not None and _file_bytes_in_memory() > self._max_bytes:
            self._map.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A matrix of keys in a file, read row by row."""

    file: ScratchFile
    first: int
    """Where the matrix begins."""
    shape: tuple[int, int]

    @classmethod
    def append(cls, file: ScratchFile, matrix: NDArray[np.uint32]) -> "KeyFile":
        """Write a matrix behind what the file has."""
        n_rows, n_columns = matrix.shape
        written = cls(file, file.n, (n_rows, n_columns))
        file.append(matrix)
        return written

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> NDArray[np.uint32]:
        n = self.shape[1]
        return self.file.read(self.first + row * n, n)


def give_memory_back() -> None:
    """Return to the system what allocators keep for later; called between steps."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)


def _file_bytes_in_memory() -> int:
    """Bytes of mapped files in this process's memory; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[2]) * mmap.PAGESIZE
    except OSError:
        return 0
