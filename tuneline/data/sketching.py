"""Sketches of cleaned files, made once per file by the engine, and put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneline.data.config import DataConfig
from tuneline.data.dedup.files import load_sketches, sketch_file
from tuneline.data.dedup.scratch import Scratch
from tuneline.data.engine import run_all
from tuneline.data.fates import Texts
from tuneline.data.keys import TEXTS, Keys
from tuneline.store import StageOutput, Store


@dataclass(frozen=True, slots=True)
class SketchPiece:
    """One Parquet file to sketch: what an engine's worker gets."""

    file: Path
    digest: str
    kinds: tuple[str, ...]
    """Names in `keys.TEXTS`."""
    threshold: float
    root: Path
    rows: int


def sketch_piece(piece: SketchPiece) -> StageOutput:
    """Sketch one file, unless that was done before."""
    texts = {kind: TEXTS[kind]() for kind in piece.kinds}
    return sketch_file(piece.file, piece.digest, texts, piece.threshold, piece.root, piece.rows)


def dedup_kinds(config: DataConfig) -> tuple[str, ...]:
    """What is sketched of a record: everything for the leak check, and what dedup compares."""
    compare = config.near_dedup.compare
    return ("full", "answer" if compare == "both" else compare)


def sketch_all(
    outputs: Sequence[StageOutput],
    name: str,
    store: Store,
    config: DataConfig,
    rows: int,
    kinds: tuple[str, ...] | None = None,
) -> list[Path]:
    """Folder with the sketches of each output's file of that name."""
    pieces = [
        SketchPiece(
            output.path / name, output.digest, kinds or dedup_kinds(config),
            config.least_threshold, store.root, rows,
        )
        for output in outputs
    ]  # fmt: skip
    n_bytes = sum(piece.file.stat().st_size for piece in pieces)
    return [output.path for output in run_all(sketch_piece, pieces, config.engine, n_bytes)]


def load_texts(
    files: Sequence[Path],
    folders: Sequence[Path],
    kinds: Sequence[str],
    threshold: float,
    scratch: Scratch,
) -> Texts:
    """Records of cleaned files as keys and sketches, which stay in files."""
    return Texts(
        Keys(files), {kind: load_sketches(folders, kind, threshold, scratch) for kind in kinds}
    )
