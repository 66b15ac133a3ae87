"""Documents of real sentences with planted copies, for `benchmarks.dedup`."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MIN_STRING, SENTENCE, DOCUMENT = 20, (20, 150), (100, 400)
"""Characters: of a string that counts as text, and bounds of a sentence and of a document."""
COPIES = 0.2
"""Share of the rows that are copies of another one."""
MAX_CLUSTER = 10
HAN = re.compile(r"[\u4e00-\u9fff]")
SENTENCE_END = re.compile(r"(?<=[。；])|(?<=[.;])(?=\s)|\n")
JOINERS = {"en": " ", "zh": ""}
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
MARKS = str.maketrans("，。；：,;:", ",.;:，；：")


def read_sentences(folder: Path) -> dict[str, list[str]]:
    """Distinct sentences of all JSON and JSONL files, per language (zh by a majority of Han)."""
    found: dict[str, dict[str, None]] = {"en": {}, "zh": {}}
    for path in sorted(folder.rglob("*")):
        if re.search(r"\.jsonl?(\.gz)?$", path.name):
            for text in _strings(_load(path)):
                for part in SENTENCE_END.split(text) if len(text) >= MIN_STRING else ():
                    sentence = part.strip()
                    n_han = len(HAN.findall(sentence))
                    if SENTENCE[0] <= len(sentence) <= SENTENCE[1]:
                        if n_han > len(sentence) / 2:
                            found["zh"][sentence] = None
                        elif n_han == 0:
                            found["en"][sentence] = None
    return {language: list(sentences) for language, sentences in found.items()}


def write_corpus(path: Path, sentences: list[str], language: str, n_rows: int, seed: int) -> None:
    """Write N documents in random order: 80 % of 2-6 random sentences, 20 % copies of those."""
    rng = random.Random(f"{seed} {language} {n_rows}")
    n_copies = round(n_rows * COPIES)
    texts = [_document(sentences, language, rng) for _ in range(n_rows - n_copies)]
    for original in texts[:]:
        for _ in range(min(rng.randrange(1, MAX_CLUSTER), n_rows - len(texts))):
            texts.append(_copy(original, sentences, language, rng))
        if len(texts) == n_rows:
            break
    rng.shuffle(texts)
    pq.write_table(pa.table({"text": texts}), path, compression="zstd", row_group_size=10_000)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _load(path: Path) -> Any:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return [json.loads(line) for line in raw.decode().split("\n") if line.strip()]
    return json.loads(raw)


def _document(sentences: list[str], language: str, rng: random.Random) -> str:
    while True:
        parts = [rng.choice(sentences) for _ in range(rng.randint(2, 6))]
        text = JOINERS[language].join(parts)
        if DOCUMENT[0] <= len(text) <= DOCUMENT[1]:
            return text


def _copy(text: str, sentences: list[str], language: str, rng: random.Random) -> str:
    """The text itself, in another format, or with 1-3, 6 % or 18 % of its tokens edited."""
    kind = rng.randrange(5)
    if kind == 0:
        return text
    if kind == 1:
        return _reformat(text, language, rng)
    tokens = text.split() if language == "en" else list(text)
    n_edits = (rng.randint(1, 3), round(0.06 * len(tokens)), round(0.18 * len(tokens)))[kind - 2]
    for _ in range(n_edits):
        other = rng.choice(sentences)
        token = rng.choice(other.split() if language == "en" else other)
        at = rng.randrange(len(tokens))
        how_many, put = ((1, [token]), (0, [token]), (1, []))[rng.randrange(3)]
        tokens[at : at + how_many] = put
    return JOINERS[language].join(tokens)


def _reformat(text: str, language: str, rng: random.Random) -> str:
    """Other case, spaces, punctuation or width; the same words."""
    kind = rng.randrange(4)
    if kind == 0:
        return text.upper() if rng.random() < 0.5 else text.title()
    if kind == 1:
        return (
            re.sub(r"\s+", "\n  ", text) if language == "en" else re.sub("(?<=[，。])", " ", text)
        )
    if kind == 2:
        return text.translate(MARKS)
    return text.translate(FULL_WIDTH)
