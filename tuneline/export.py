"""Model folders that others read: older readers of `config.json`, servers under another user."""

import json
from pathlib import Path
from typing import Any

Settings = dict[str, Any]
TOKENIZER_CLASS = "PreTrainedTokenizerFast"
"""What transformers 4 calls the tokenizer that transformers 5 writes as `TokenizersBackend`."""


def finish_export(folder: Path) -> None:
    """Add what readers other than transformers 5 need to a folder that it saved.

    `config.json` gets `rope_theta`, `rope_scaling` and `torch_dtype` at its top: transformers 4
    and what is built on it would take a rope base of 10000 without a word. The tokenizer gets a
    class that transformers 4 knows.
    """
    _change(folder / "config.json", _older_config)
    _change(folder / "tokenizer_config.json", _older_tokenizer)
    share_weights(folder / "config.json")


def share_weights(settings: Path) -> None:
    """Give weights, which safetensors writes for their owner alone, the mode of their settings."""
    for weights in settings.parent.glob("*.safetensors"):
        weights.chmod(settings.stat().st_mode)


def _change(file: Path, older: Any) -> None:
    if file.is_file():
        settings = json.loads(file.read_text(encoding="utf-8"))
        text = json.dumps(older(settings), indent=2, ensure_ascii=False)
        file.write_text(f"{text}\n", encoding="utf-8")


def _older_config(settings: Settings) -> Settings:
    older = {**settings, **_older_rope(settings.get("rope_parameters") or {})}
    if "dtype" in settings:
        older["torch_dtype"] = settings["dtype"]
    return older


def _older_rope(rope: Settings) -> Settings:
    """Rotary settings as transformers 4 names them; those of each kind of layer apart."""
    kinds = {kind: value for kind, value in rope.items() if isinstance(value, dict)}
    whole = kinds.get("full_attention", rope)
    older = {"rope_theta": whole["rope_theta"]} if "rope_theta" in whole else {}
    if "rope_theta" in (local := kinds.get("sliding_attention", {})):
        older["rope_local_base_freq"] = local["rope_theta"]
    if whole.get("rope_type", "default") != "default":
        older["rope_scaling"] = {k: v for k, v in whole.items() if k != "rope_theta"}
    return older


def _older_tokenizer(settings: Settings) -> Settings:
    if settings.get("tokenizer_class") == "TokenizersBackend":
        return {**settings, "tokenizer_class": TOKENIZER_CLASS}
    return settings
