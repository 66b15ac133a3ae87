"""A GGUF file in memory, through llama.cpp's C interface: tokens in, logits out."""

import ctypes
import logging
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.errors import EvaluationError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

N_BATCH = 512
"""Tokens of a prompt that are computed together; fixed, as the last digits depend on it."""
CONTEXT_STEP = 256
"""The context grows by multiples of so many tokens."""

_messages: deque[str] = deque(maxlen=10)
"""Last warnings and errors of llama.cpp, which it prints instead of returning."""


def gguf_file(folder: Path) -> Path:
    """The one GGUF file of a folder.

    Raises:
        EvaluationError: There is none, or more than one.
    """
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise EvaluationError(f"{folder} holds {len(files)} GGUF files; expected one")
    return files[0]


class LlamaCppModel:
    """Weights and one context, which forgets everything between two texts.

    The context is as large as the longest text needs, and logits are kept of the tokens that are
    asked for only: llama-cpp-python's own `Llama` class keeps (context x vocabulary) of them.

    Args:
        file: A GGUF file.
        n_threads: CPU threads of prompt and answer.
        on_gpu: Put all layers on the GPU.

    Raises:
        EvaluationError: llama.cpp is not installed, or it cannot read the file.
    """

    def __init__(self, file: Path, n_threads: int, on_gpu: bool = False) -> None:
        self.lib = library()
        self.n_threads = n_threads
        self.n_context = 0
        self._context: Any = None
        params = self.lib.llama_model_default_params()
        params.n_gpu_layers = -1 if on_gpu else 0
        _messages.clear()
        self._model = self.lib.llama_model_load_from_file(str(file).encode(), params)
        if not self._model:
            raise EvaluationError(f"llama.cpp cannot load {file}: {_said()}")
        self._vocab = self.lib.llama_model_get_vocab(self._model)
        self.n_vocab: int = self.lib.llama_vocab_n_tokens(self._vocab)
        self._batch = self.lib.llama_batch_init(N_BATCH, 0, 1)

    def tokenize(self, text: str) -> list[int]:
        """Tokens of a text, with none added and special tokens read as such."""
        data = text.encode()
        room = len(data) + 8
        tokens = (self.lib.llama_token * room)()
        n = self.lib.llama_tokenize(self._vocab, data, len(data), tokens, room, False, True)
        return list(tokens[:n])

    def stops_at(self, token: int) -> bool:
        """Whether llama.cpp ends an answer at this token."""
        return bool(self.lib.llama_vocab_is_eog(self._vocab, token))

    def start(self, ids: Sequence[int], room: int, n_last: int = 1) -> "np.ndarray":
        """Forget everything and read a text.

        Args:
            ids: Its tokens.
            room: Tokens that `go_on` may add.
            n_last: Tokens at the end whose logits are wanted.

        Returns:
            float32 logits of shape (n_last, vocabulary); each row predicts the token behind.

        Raises:
            MemoryError: There is no memory for a context of this length.
        """
        self._make_room(len(ids) + room)
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self._context), False)
        return self._decode(ids, 0, n_last)

    def go_on(self, token: int, position: int) -> "np.ndarray":
        """Logits, (1, vocabulary), behind one more token, which stands at `position`."""
        return self._decode([token], position, 1)

    def close(self) -> None:
        """Give back all memory."""
        self._close_context()
        if self._model:
            self.lib.llama_batch_free(self._batch)
            self.lib.llama_model_free(self._model)
            self._model = None

    def _make_room(self, n_tokens: int) -> None:
        if n_tokens <= self.n_context:
            return
        self._close_context()
        wanted = -(-n_tokens // CONTEXT_STEP) * CONTEXT_STEP
        params = self.lib.llama_context_default_params()
        params.n_ctx = wanted
        params.n_batch = params.n_ubatch = N_BATCH
        params.n_threads = params.n_threads_batch = self.n_threads
        _messages.clear()
        self._context = self.lib.llama_init_from_model(self._model, params)
        if not self._context:
            raise MemoryError(f"llama.cpp has no memory for {wanted} tokens: {_said()}")
        self.n_context = wanted

    def _close_context(self) -> None:
        if self._context:
            self.lib.llama_free(self._context)
        self._context, self.n_context = None, 0

    def _decode(self, ids: Sequence[int], position: int, n_last: int) -> "np.ndarray":
        import numpy as np

        rows, first_wanted = [], len(ids) - n_last
        for start in range(0, len(ids), N_BATCH):
            chunk = ids[start : start + N_BATCH]
            self._fill(chunk, position + start, first_wanted - start)
            if code := self.lib.llama_decode(self._context, self._batch):
                raise EvaluationError(f"llama.cpp cannot go on (code {code}): {_said()}")
            for i in range(max(0, first_wanted - start), len(chunk)):
                logits = self.lib.llama_get_logits_ith(self._context, i)
                rows.append(np.ctypeslib.as_array(logits, (self.n_vocab,)).copy())
        return np.stack(rows)

    def _fill(self, ids: Sequence[int], position: int, first_wanted: int) -> None:
        self._batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            self._batch.token[i] = token
            self._batch.pos[i] = position + i
            self._batch.n_seq_id[i] = 1
            self._batch.seq_id[i][0] = 0
            self._batch.logits[i] = i >= first_wanted


@cache
def library() -> Any:
    """The `llama_cpp` module, its messages in our log instead of on the terminal.

    Raises:
        EvaluationError: It is not installed.
    """
    try:
        import llama_cpp
    except ImportError as error:
        raise EvaluationError(
            "llama.cpp is not installed; run `make gguf`, which compiles it in about five minutes"
        ) from error

    llama_cpp.llama_log_set(_listener(llama_cpp), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


@cache
def _listener(llama_cpp: Any) -> Any:
    """Kept for as long as the process lives: C code holds a pointer to it."""
    warning = 2  # GGML_LOG_LEVEL_WARN; 3 is an error

    def listen(level: int, text: bytes, data: Any) -> None:
        line = text.decode("utf-8", "replace").strip()
        if line and warning <= level <= warning + 1:
            _messages.append(line)
        log.debug("llama.cpp: %s", line)

    return llama_cpp.llama_log_callback(listen)


def _said() -> str:
    return " | ".join(_messages) or "it gave no reason"
