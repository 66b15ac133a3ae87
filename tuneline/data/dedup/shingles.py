"""Texts as sets of hashed shingles, and their MinHash keys.

A token is a word, a number, a symbol, or a single character of a script written without spaces; a
shingle is two neighbouring tokens. That makes English word pairs, Chinese character pairs and
whatever mixed text needs: word 5-grams, the default elsewhere, find 0.60 of edited English copies
where pairs find 0.85, and 0.42 of Chinese ones. Punctuation of prose counts for nothing; `+` or
`<` do.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuneline.data.dedup import kernels
from tuneline.data.dedup.characters import character_table
from tuneline.data.dedup.scratch import KeyFile, Pages, Scratch
from tuneline.records import comparison_text

N_PERMUTATIONS = 176
MAX_MISS = 2e-3
"""Probability that a pair at the threshold shares no band; higher similarities miss far less."""
SEED = 42
ROWS_PER_BAND = (16, 12, 10, 8, 7, 6, 5, 4, 3, 2)
TEXTS_AT_A_TIME = 16_384
"""Texts that are sketched, read or written in one go where they lie in files."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Keys by which similar texts meet, band by band: texts with an equal one are worth comparing.

    In memory or in files; of those in files one band is in memory at a time.
    """

    parts: tuple[NDArray[np.uint32] | KeyFile, ...] = ()
    """Bands x texts, of the first texts, the next ones, and so on."""
    rows: NDArray[np.int64] | None = None
    """Which texts of all parts, in which order; None for all as they are."""

    def __iter__(self) -> Iterator[NDArray[np.uint32]]:
        """Per band the keys of all texts."""
        for band in range(len(self.parts[0])):
            keys = np.concatenate([part[band] for part in self.parts])
            yield keys if self.rows is None else keys[self.rows]

    def take(self, rows: NDArray[np.int64]) -> "Bands":
        """Those of some of the texts, in the order given."""
        return Bands(self.parts, rows if self.rows is None else self.rows[rows])


class Sketches(NamedTuple):
    """N texts as sets of shingles, with the keys by which similar ones meet."""

    shingles: NDArray[np.uint32]
    """Hashes, distinct and ascending within each text; a text of one shingle has its 64 bits as
    two, so that short texts do not meet by chance."""
    starts: NDArray[np.int64]
    """Text i owns shingles[starts[i]:ends[i]], at least one."""
    ends: NDArray[np.int64]
    bands: Bands
    pages: Pages | None = None
    """The file that the shingles lie in, if they do."""

    @property
    def n_texts(self) -> int:
        """N."""
        return len(self.starts)

    def take(self, rows: NDArray[np.int64]) -> "Sketches":
        """Some of the texts, in the order given; the shingles stay where they are."""
        return self._replace(
            starts=self.starts[rows], ends=self.ends[rows], bands=self.bands.take(rows)
        )

    def let_go(self) -> None:
        """Give back memory that shingles in a file take."""
        if self.pages is not None:
            self.pages.let_go()


def rows_per_band(threshold: float) -> int:
    """Most rows per band, so fewest false candidates, that miss a pair at most with `MAX_MISS`.

    A pair of similarity J meets in a band of r rows with probability J ** r (Leskovec et al.,
    Mining of Massive Datasets, section 3.4).
    """
    for n_rows in ROWS_PER_BAND:
        if (1 - threshold**n_rows) ** (N_PERMUTATIONS // n_rows) <= MAX_MISS:
            return n_rows
    return 1


def n_bands(threshold: float) -> int:
    """How many bands the permutations make."""
    return N_PERMUTATIONS // rows_per_band(threshold)


def sketch(
    texts: "Sequence[str] | pa.LargeStringArray", threshold: float, seed: int = SEED
) -> Sketches:
    """Shingle every text and hash its MinHash signature into bands.

    Args:
        texts: N texts as they are stored.
        threshold: Jaccard similarity that must not be missed.
        seed: Chooses the hash functions: another one misses other pairs.
    """
    table = character_table()
    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    data, bounds = _buffers(_normalize_odd(array, table))
    shingles, offsets = kernels.shingle(data, bounds, table)
    sets = Sketches(shingles, offsets[:-1], offsets[1:], Bands())
    return rehash(sets, threshold, seed)


def rehash(
    sketches: Sketches, threshold: float, seed: int, scratch: Scratch | None = None
) -> Sketches:
    """The same sets with keys by other hash functions: pairs that were missed meet now.

    Args:
        sketches: Sets of N texts.
        threshold: Jaccard similarity that must not be missed.
        seed: Chooses the hash functions.
        scratch: Where the keys go; None for memory.
    """
    hashes = (*_permutations(seed), rows_per_band(threshold))
    sets = (sketches.shingles, sketches.starts, sketches.ends)
    if scratch is None:
        return sketches._replace(bands=Bands((kernels.band_keys(*sets, *hashes),)))
    file, parts = scratch.file(), []
    for start in range(0, max(1, sketches.n_texts), TEXTS_AT_A_TIME):
        some = slice(start, start + TEXTS_AT_A_TIME)
        bounds = sketches.starts[some], sketches.ends[some]
        parts.append(KeyFile.append(file, kernels.band_keys(sketches.shingles, *bounds, *hashes)))
        sketches.let_go()
    return sketches._replace(bands=Bands(tuple(parts)))


def concatenate(parts: Iterable[Sketches], scratch: Scratch | None = None) -> Sketches:
    """All texts of sketches that were made with the same threshold and seed.

    Parts that are made on the way are let go one by one, so nothing is in memory twice.

    Args:
        parts: At least one.
        scratch: Where shingles and keys go; None for memory.
    """
    shingles = _Growing() if scratch is None else _Spooled(scratch)
    keys = None if scratch is None else scratch.file()
    starts, ends = [], []
    bands: list[NDArray[np.uint32] | KeyFile] = []
    for part in parts:
        starts.append(part.starts + shingles.n)
        ends.append(part.ends + shingles.n)
        shingles.append(part.shingles)
        matrices = [np.stack(list(part.bands))] if part.bands.parts else []
        bands += matrices if keys is None else [KeyFile.append(keys, each) for each in matrices]
    values, pages = shingles.all()
    bounds = _shared(np.concatenate(starts), np.concatenate(ends))
    return Sketches(values, *bounds, Bands(tuple(bands)), pages)


def _shared(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same bounds, in one array where each text begins at the end of the one before."""
    if not len(starts) or (starts[1:] != ends[:-1]).any():
        return starts, ends
    bounds = np.append(starts, ends[-1])
    return bounds[:-1], bounds[1:]


def jaccard(sketches: Sketches, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """True Jaccard similarity of M pairs of texts.

    Args:
        sketches: Sets of N texts.
        pairs: M x 2 text numbers.

    Returns:
        M values in [0, 1].
    """
    sets = (sketches.shingles, sketches.starts, sketches.ends)
    found: NDArray[np.float64] = kernels.jaccard(*sets, pairs.reshape(-1, 2))
    return found


def _normalize_odd(array: pa.Array, table: NDArray[np.uint32]) -> pa.Array:
    """Normalize the few texts that the table alone cannot compare."""
    odd = pa.array(kernels.find_odd(*_buffers(array), table))
    if not pc.any(odd).as_py():
        return array
    compared = [comparison_text(text) for text in array.filter(odd).to_pylist()]
    return pc.replace_with_mask(array, odd, pa.array(compared, pa.large_string()))


def _permutations(seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    random = np.random.default_rng(seed)
    factors, shifts = random.integers(0, 2**32, (2, N_PERMUTATIONS), dtype=np.uint32)
    return factors | np.uint32(1), shifts


def _buffers(array: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """UTF-8 bytes of all texts, and where each begins; without a copy."""
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(array) + 1, 8 * array.offset)
    return np.frombuffer(data or b"", np.uint8), bounds


class _Growing:
    """An array that grows in place: the system moves a large block's pages, it copies nothing."""

    def __init__(self) -> None:
        self.n = 0
        self._room = np.empty(0, dtype=np.uint32)

    def append(self, values: NDArray[np.uint32]) -> None:
        end = self.n + len(values)
        if end > len(self._room):
            self._room.resize(end + end // 8, refcheck=False)
        self._room[self.n : end] = values
        self.n = end

    def all(self) -> tuple[NDArray[np.uint32], None]:
        self._room.resize(self.n, refcheck=False)
        return self._room, None


class _Spooled:
    """An array that grows in a file."""

    def __init__(self, scratch: Scratch) -> None:
        self._file, self._max_bytes = scratch.file(), scratch.max_bytes

    @property
    def n(self) -> int:
        return self._file.n

    def append(self, values: NDArray[np.uint32]) -> None:
        self._file.append(values)

    def all(self) -> tuple[NDArray[np.uint32], Pages]:
        pages = Pages(self._file, self._max_bytes)
        return pages.values, pages
