"""What a base model says of itself without its weights: configuration, README, licence files."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tuneline.errors import BaseModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

LICENSE_PREFIXES = ("license", "licence", "copying", "notice", "use_policy")
"""How files begin that say what a model may be used for; any case."""
GGUF_LICENSE = "gguf_license.json"
"""Licence as the metadata of a GGUF file names it."""
DIGITS_APART = ("smollm",)
"""`tokenizer.ggml.pre` of models that read every digit by itself."""
HUB_FILES = ("generation_config.json", "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md")
"""Files of a hub model's card besides its configuration, where they are there."""


def copy_card(name: str, revision: str | None, out: Path) -> None:
    """Copy configuration, README and licence files of a hub model or a folder.

    Args:
        name: Hub id, or path of a folder.
        revision: Commit of a hub model; None for a folder.
        out: An existing folder.

    Raises:
        BaseModelError: transformers does not know the model's architecture.
    """
    load_config(name, revision).save_pretrained(out)
    files = _folder_files(Path(name)) if revision is None else _hub_files(name, revision)
    for file in files:
        shutil.copyfile(file, out / file.name)


def load_config(name: str | Path, revision: str | None = None) -> "PreTrainedConfig":
    """The configuration of a hub model or of a folder.

    Raises:
        BaseModelError: transformers does not know the architecture.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except (ValueError, KeyError, OSError) as error:
        raise BaseModelError(
            f"base model {name}: its config.json names no architecture of the installed "
            f"transformers ({' '.join(str(error).split())[:200]}); use a model that needs no code "
            "of its own, or convert it"
        ) from error


def write_packaged_card(
    file: Path, distribution: Distribution, out: Path
) -> "PreTrainedTokenizerBase":
    """Write the configuration of a GGUF file and what its package says of licences.

    Returns:
        The file's tokenizer: its metadata take seconds to read, and are read once for both.
    """
    from transformers import AutoConfig

    with _read_once(file) as reader:
        AutoConfig.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(out)
        tokenizer = load_packaged_tokenizer(file, reader)
        fields = {k: f.contents() for k, f in reader.fields.items() if "general.license" in k}
    (out / GGUF_LICENSE).write_text(json.dumps(fields))
    (out / "README.md").write_text(_readme(distribution), encoding="utf-8")
    for path in distribution.files or ():
        if _says_licence(path.name):
            shutil.copyfile(str(distribution.locate_file(path)), out / path.name)
    return tokenizer


def load_packaged_tokenizer(file: Path, reader: Any = None) -> "PreTrainedTokenizerBase":
    """The tokenizer of a GGUF file, which cuts texts as llama.cpp does.

    transformers reads vocabulary and merges but not `tokenizer.ggml.pre`, which says how a text is
    cut before pieces are merged: it would join a space with the digit behind it, as the model never
    saw it.

    Args:
        file: A GGUF file.
        reader: It as `GGUFReader` has read it, where it did.
    """
    import gguf
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    field = (reader or gguf.GGUFReader(file)).get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() in DIGITS_APART:
        backend = tokenizer.backend_tokenizer
        digits = pre_tokenizers.Digits(individual_digits=True)
        backend.pre_tokenizer = pre_tokenizers.Sequence([digits, backend.pre_tokenizer])
    found: PreTrainedTokenizerBase = tokenizer
    return found


@contextmanager
def _read_once(file: Path) -> Iterator[Any]:
    """Let transformers, which reads a GGUF file's metadata for every question, share one reader."""
    import gguf

    reader = gguf.GGUFReader(file)
    with patch.object(gguf, "GGUFReader", lambda *args, **kwargs: reader):
        yield reader


def _readme(distribution: Distribution) -> str:
    """A package's description, with its licence as front matter."""
    metadata = distribution.metadata.json
    named = str(metadata.get("license_expression") or metadata.get("license") or "")
    front = f"---\nlicense: {json.dumps(named)}\n---\n" if named and len(named) < 80 else ""
    return f"{front}{metadata.get('description') or ''}"


def _folder_files(folder: Path) -> list[Path]:
    names = [p for p in folder.iterdir() if p.is_file()]
    return [p for p in names if p.name in HUB_FILES or _says_licence(p.name)]


def _hub_files(name: str, revision: str) -> list[Path]:
    """Those of the card's files that can be had; offline, those in the cache."""
    from huggingface_hub import hf_hub_download

    found = []
    for file in HUB_FILES:
        try:
            found.append(Path(hf_hub_download(name, file, revision=revision)))
        except (OSError, ValueError):  # what huggingface_hub raises: 404, offline, not in the cache
            continue
    return found


def _says_licence(name: str) -> bool:
    return name.lower().startswith(LICENSE_PREFIXES)
