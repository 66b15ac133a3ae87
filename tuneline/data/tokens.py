"""How long records are in tokens of the base model, without loading the model."""

from collections.abc import Sequence
from pathlib import Path

from tuneline.base_model import TEMPLATE_TOKENS


class TokenCounter:
    """Counts what contents and chat template take, by the tokenizer of a folder."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._overhead = int((folder / TEMPLATE_TOKENS).read_text())

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """Tokens of N texts, each the contents of a record."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(one.ids) + self._overhead for one in encoded]
