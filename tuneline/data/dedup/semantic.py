"""Records that say the same in other words, by sentence embeddings; optional, for small data.

All pairs are compared in blocks, exactly: 100,000 records of 256 numbers take about a minute. The
model is `tfidf` (fitted on the data) or any sentence-embedding model that transformers loads.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tuneline.data.config import SemanticDedupConfig
from tuneline.data.fates import Fates, drop_all_but_one
from tuneline.data.keys import Keys, full_text
from tuneline.data.snapshot import take
from tuneline.errors import DataError
from tuneline.machine import quiet_libraries

log = logging.getLogger(__name__)

MAX_UNKNOWN = 0.10
"""Share of unknown tokens from which an embedding says nothing: everything then looks alike."""
N_COMPONENTS = 256
BLOCK = 2_048
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def drop_semantic_duplicates(
    keys: Keys, fates: Fates, config: SemanticDedupConfig, files: Sequence[Path], rows: int
) -> None:
    """Of each component of records with near meanings the first one in order stays.

    Raises:
        DataError: The model cannot be loaded, or its tokenizer does not know the data's language.
    """
    kept = fates.order[(fates.reason == 0)[fates.order]]
    if config.model is None or not len(kept):
        return
    texts = [
        t for start in range(0, len(kept), rows) for t in _texts(files, kept[start : start + rows])
    ]
    vectors = embed(texts, config.model)
    root = near_vectors(vectors, config.threshold)
    drop_all_but_one(keys, fates, kept, root, "first", (), "similar_meaning")
    n_dropped = int((root != np.arange(len(root))).sum())
    log.info("semantic_dedup: kept=%d dropped=%d", len(root) - n_dropped, n_dropped)


def embed(texts: Sequence[str], model: str) -> NDArray[np.float32]:
    """N x D unit vectors.

    Args:
        texts: N texts.
        model: `tfidf`, or a folder or hub id.
    """
    vectors = _embed_by_tfidf(texts) if model == "tfidf" else _embed_by_model(texts, model)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(length, 1e-12)
    return unit


def near_vectors(vectors: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Place of the first vector of each vector's component of cosine similarity >= threshold."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = []
    for start in range(0, len(vectors), BLOCK):
        some = vectors[start : start + BLOCK] @ vectors[start:].T >= threshold
        edges.append(np.argwhere(some) + start)
    pairs = np.concatenate(edges or [np.empty((0, 2), dtype=np.int64)])
    n = len(vectors)
    graph = coo_matrix((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), (n, n))
    label = connected_components(graph, directed=False)[1]
    first = np.full(label.max(initial=-1) + 1, n)
    np.minimum.at(first, label, np.arange(n))
    root: NDArray[np.int64] = first[label]
    return root


def _texts(files: Sequence[Path], rows: NDArray[np.int64]) -> list[str]:
    frame = pl.from_arrow(take(files, rows).select(["messages"]))
    assert isinstance(frame, pl.DataFrame)
    texts: list[str] = frame.select(text=full_text())["text"].to_list()
    return texts


def _embed_by_tfidf(texts: Sequence[str]) -> NDArray[np.float32]:
    """TF-IDF of words and word pairs (Chinese: characters), reduced to 256 numbers."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Chinese characters are words of their own; everything else as sklearn cuts it.
    pattern = r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3400-\u4dbf\u4e00-\u9fff]+"
    terms = TfidfVectorizer(ngram_range=(1, 2), token_pattern=pattern, dtype=np.float32)
    try:
        matrix = terms.fit_transform(texts)
    except ValueError:  # no text has a word
        return np.zeros((len(texts), 1), dtype=np.float32)
    if min(matrix.shape) <= N_COMPONENTS:  # nothing to reduce
        dense: NDArray[np.float32] = matrix.toarray()
        return dense
    reduced = TruncatedSVD(N_COMPONENTS, random_state=0).fit_transform(matrix)
    return np.asarray(reduced, dtype=np.float32)


def _embed_by_model(texts: Sequence[str], name: str) -> NDArray[np.float32]:
    """Mean of the last layer over a text's tokens (Reimers and Gurevych 2019)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    quiet_libraries()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModel.from_pretrained(name).eval()
    except (OSError, ValueError) as error:
        raise DataError(
            f"data.semantic_dedup.model {name} cannot be loaded ({type(error).__name__}); name a "
            "folder or a hub id that is at hand, or use tfidf"
        ) from error
    check_vocabulary(tokenizer, texts, name)
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            batch = tokenizer(
                list(texts[start : start + 32]), padding=True, truncation=True, return_tensors="pt"
            )
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            found.append(((hidden * mask).sum(1) / mask.sum(1)).float().numpy())
    return np.concatenate(found)


def check_vocabulary(tokenizer: "object", texts: Sequence[str], name: str) -> None:
    """Refuse a tokenizer that turns much of the data into its unknown token.

    Raises:
        DataError: More than `MAX_UNKNOWN` of the tokens of the first 1,000 texts are unknown.
    """
    ids = [i for text in texts[:1000] for i in tokenizer(text)["input_ids"]]  # type: ignore[operator]
    unknown = sum(i == tokenizer.unk_token_id for i in ids) / max(1, len(ids))  # type: ignore[attr-defined]
    if unknown > MAX_UNKNOWN:
        raise DataError(
            f"data.semantic_dedup.model {name} does not know {unknown:.0%} of the data's tokens, "
            "so that different texts look alike to it; use a multilingual model, or tfidf"
        )
